"""GStreamer's RTSP server with a test picture: `python3 gst_rtsp.py --port P --transport udp --gop 250`.

Run by the interpreter that has GStreamer's bindings, which is the system's, so it imports nothing of ours.
"""

import argparse

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

TRANSPORTS = {"tcp": GstRtsp.RTSPLowerTrans.TCP, "udp": GstRtsp.RTSPLowerTrans.UDP}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", required=True)
    parser.add_argument("--transport", choices=TRANSPORTS, default="tcp")
    parser.add_argument("--gop", type=int, default=25)
    parser.add_argument("--fps", default="25/1")
    parser.add_argument("--password", default=None, help="of the user `admin`")
    options = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(options.port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        "( videotestsrc is-live=true pattern=ball "
        f"! video/x-raw,width=320,height=240,framerate={options.fps} "
        f"! x264enc tune=zerolatency speed-preset=ultrafast key-int-max={options.gop} "
        "! rtph264pay name=pay0 pt=96 config-interval=1 )"
    )
    factory.set_protocols(TRANSPORTS[options.transport])
    if options.password is not None:
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "user")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic("admin", options.password), token)
        server.set_auth(auth)
        factory.add_role_from_structure(
            Gst.Structure.new_from_string(
                "user, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
            )
        )
    server.get_mount_points().add_factory("/live", factory)
    server.attach(None)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
