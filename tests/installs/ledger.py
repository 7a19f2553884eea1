"""What becomes of every command that a page shows: run as it is, run by a test, or not run, and why."""

from __future__ import annotations

from tests.support.import_graph import ROOT

SCENE = "scene:7,size=96x160,frames=4,objects=2"
EXPORT = "ermu export --checkpoint AOT_EMFS.pth --out aot_emfs"
EVAL_VIEWS = "ermu eval --flip --scales 1.0,1.3"
RUN_BOX = (
    "ermu run --bundle demo --source video.mp4 --box 100,60,220,200 --out followed "
    "--sink overlay=followed.mp4"
)
RUN = "ermu run --bundle aot_emfs --source video.mp4 --prompt first_frame.png --out result"
RUN_TRACED = f"{RUN} --sink overlay=result.mp4 --sink trace=result.jsonl"
CONVERT = "ermu convert --source result --to coco --out result.json --images frames"
CORRECTED = "ermu convert --source corrected.json --to labels --out prompts"
AGAIN = "ermu run --bundle demo --source frames --prompts prompts --out again"
AGAINST = (
    "ermu bench --bundle aot --checkpoint F.pth --size 353x641 --frames 20 --warmup 5 --against torch-best "
    "--precision P --backend B"
)
BENCH = "ermu bench --bundle demo --frames 60 --warmup 10 --overlay"
SCALE = "ermu bench --bundle demo --frames 30 --warmup 10 --scale memory"
EVAL = "ermu eval --bundle demo --dataset scenes --baseline flow --out runs/scenes"
BUILD_FP16 = "ermu build --bundle B --precision fp16"
BUILD_INT8 = "ermu build --bundle B --precision int8"
RUN_FP16 = "ermu run --bundle B --precision fp16 --source video.mp4 --prompt first_frame.png --out result"
TWO_STREAMS = (
    "ermu run --bundle demo --source rtsp://a/1 --source rtsp://b/2 --prompt a.png --prompt b.png "
    "--out result"
)
COMPARE = "ermu bench --compare before.json after.json [--tolerance 0.1]"
REPORT = ROOT / "benchmarks" / "results" / "bench-demo-fp32.json"
PROMPTS = "tests/cli/commands/test_run_prompts.py"
TRAIN = "ermu train --config training/configs/demo.yaml --out runs/demo"

# Run in an environment with the extras of docs/install.md: a command as it is shown, and what stands in for
# what is not at hand.
REPLACED: dict[str, dict[str, str]] = {
    RUN_BOX: {"100,60,220,200": "30,20,90,60"},
    "ermu demo": {"demo": "demo --frames 4"},
    EXPORT: {"AOT_EMFS.pth": "{checkpoint}"},
    "ermu inspect aot_emfs": {},
    RUN_TRACED: {},
    CONVERT: {},
    CORRECTED: {"corrected": "result"},
    AGAIN: {},
    "ermu doctor": {},
    EVAL: {"flow": "flow --sequence val-00"},
    EVAL_VIEWS: {"eval": "eval --bundle demo --dataset scenes --sequence val-00 --out runs/views"},
    BENCH: {"60": "3", "10 ": "1 "},
    SCALE: {"30": "2", "10 ": "0 "},
    AGAINST: {
        "aot ": "aot_emfs ",
        "F.pth": "{checkpoint}",
        "353x641": "97x161",
        "20": "3",
        "5 ": "1 ",
        " P": " fp32",
        " B": " onnxruntime",
    },
    COMPARE: {"before.json after.json [--tolerance 0.1]": f"{REPORT} {REPORT} --tolerance 0.1"},
    TRAIN: {"training/configs/demo.yaml": "tiny.yaml"},
    BUILD_INT8: {"B ": "aot_emfs --out int8 "},
    BUILD_FP16: {"B ": "aot_emfs --out fp16 "},
    RUN_FP16: {"B ": "fp16 ", "out result": "out fp16_result"},
    TWO_STREAMS: {"result": "two", "rtsp://a/1": SCENE, "rtsp://b/2": SCENE.replace(":7", ":8")},
}
SERVED = {
    "ermu serve --bundle demo --source 0": {"--source 0": "--source scene:8"},
    "ermu serve --bundle demo --source rtsp://camera/stream": {"rtsp://camera/stream": "scene:7"},
    "ermu serve --bundle BUNDLE --source rtsp://camera/stream --source 0": {
        "BUNDLE": "demo",
        "rtsp://camera/stream": "scene:7",
        "--source 0": "--source scene:8",
    },
    "ermu serve --bundle demo --source scene:7,swing": {},
}
# Run by another test, or part by part.
TESTED: dict[str, tuple[str, ...]] = {
    "tests/installs/test_package.py::test_the_wheel_has_the_package_alone": (
        "pip install --force-reinstall --no-deps ermu",
    ),
    "tests/installs/test_opencv.py::test_nothing_brings_a_second_opencv": (
        "pip uninstall -y opencv-python && pip install opencv-python-headless",
    ),
    "tests/installs/test_lowest.py::test_commands_work": ("ermu bench --bundle B --plot bench.png",),
    "tests/docs/test_site.py::test_the_site_is_built": ("make docs",),
    "tests/benchmarks/test_bench.py::test_the_report_has_every_figure": (
        "ermu bench --bundle demo --against torch-best,torch-published,onnxruntime,openvino --json demo.json "
        "--plot demo.png",
        "ermu bench --bundle aot_emfs --checkpoint AOT_EMFS.pth --against torch-best --precision int8 "
        "--backend openvino",
        "ermu bench --bundle B --checkpoint F.pth --size 353x641 --memory 9 --gap 5 --frames 20 --warmup 5 "
        "--against torch-published --precision fp32 --backend onnxruntime",
    ),
    "tests/benchmarks/test_bench.py::test_the_pipeline_wrote_labels_and_overlay": (
        "ermu bench --bundle demo --source video.mp4 --prompt first.png --overlay",
    ),
    "tests/benchmarks/systems/test_rows.py::test_rows_of_other_systems": (
        "ermu bench --bundle demo --objects 3 --against sam2-transformers,edgetam-transformers,cutie",
        "ermu bench --bundle sam2_tiny --objects 3 --frames 3 --warmup 1 "
        "--against sam2-transformers=sam2.1-hiera-tiny,sam2-compile=sam2.1-hiera-tiny",
        "ermu bench --bundle demo --against sam2-transformers=sam2.1-hiera-tiny,cutie=cutie-base-mega.pth",
    ),
    "tests/benchmarks/systems/test_rows.py::test_another_torchs_torchvision_is_named": (
        "pip install torchvision --index-url https://download.pytorch.org/whl/cpu",
    ),
    "tests/benchmarks/test_bench.py::test_scaling_tables": (
        "ermu bench --bundle demo --scale memory --scale streams --scale lanes",
    ),
    "tests/benchmarks/report/test_table.py::test_only_what_stands_between_the_markers_changes": (
        "python -m ermu.benchmarks.report.table --page docs/benchmarks.md",
    ),
    "tests/benchmarks/measures/test_host_overhead.py": (
        "python -m ermu.benchmarks.measures.host_overhead",
        "EMULATED_IDLE=1 python -m tests.emulated_gpu python -m ermu.benchmarks.measures.host_overhead ...",
    ),
    f"{PROMPTS}::test_a_checkpoint_is_exported_once_and_then_runs_without_torch": (
        "ermu run --checkpoint AOT_EMFS.pth --source 0",
        "ermu serve --checkpoint AOT_EMFS.pth --source rtsp://camera/stream",
    ),
    f"{PROMPTS}::test_a_file_waits_until_somebody_draws_on_its_page": (
        "ermu run --bundle demo --source frames --prompt first.png --out result --page",
    ),
    "tests/cli/commands/test_run_live.py::test_a_password_is_never_shown": (
        "ermu serve --bundle demo --source rtsp://user:password@camera/stream",
    ),
    "tests/cli/test_command_line.py::test_json_log_of_the_command": (
        "ermu --verbose serve --bundle BUNDLE --source 0",
        "ermu --log-format json serve --bundle BUNDLE --source 0",
    ),
    "tests/runtime/tuning/test_measuring.py::test_the_command_keeps_what_it_prints_and_it_is_taken": (
        "ermu tune B --clip video.mp4 --prompt first_frame.png",
    ),
    "tests/runtime/serve/access/test_proxy.py::test_the_recipe_for_nginx": (
        "ermu serve --bundle BUNDLE --source 0 --public-url https://cams.example.org/ermu/ "
        "--trust-proxy 127.0.0.1",
    ),
    "tests/benchmarks/test_soak.py::test_two_thousand_frames": (
        "python benchmarks/soak.py --bundle TINY --frames 100000 --save-every 1000",
    ),
    "tests/evaluation/test_comparison.py": (
        "ermu eval --bundle BUNDLE --dataset scenes --out results/policies --compare-policies",
    ),
    "tests/evaluation/test_refinement.py": ("python -m ermu.evaluation.refinement",),
    "tests/evaluation/comparison/test_relevance_weight.py": (
        "python -m ermu.evaluation.comparison.relevance_weight --out DIR",
    ),
    "tests/evaluation/test_submission.py": (
        "ermu eval --bundle BUNDLE --dataset mose --root MOSE --out results/mose --submission mose.zip",
    ),
    "tests/cli/commands/test_eval.py::test_a_baseline_alone_then_its_label_maps_scored_again": (
        "ermu eval --score-only --results results/ermu --dataset vost --root VOST --split val",
    ),
    "tests/cli/commands/test_eval.py::test_policies_are_compared_in_one_table": (
        "ermu eval --bundle BUNDLE --dataset vost --root VOST --split val --out results/ermu",
        "ermu eval --bundle BUNDLE --dataset davis2017 --root DAVIS --out results/ms --flip --scales 1.0,1.3",
    ),
    "tests/export/network/test_recognition.py": (
        "ermu export --checkpoint R50_DeAOTL_PRE_YTB_DAV.pth --out r50_deaotl",
        "ermu export --checkpoint DeAOTB_PRE_YTB_DAV.pth --network zoo_deaotb --out deaotb",
    ),
    "tests/cli/commands/test_export.py::test_a_folder_of_transformers": (
        "ermu export --checkpoint sam2.1-hiera-tiny --out sam2_tiny",
        "ermu run --bundle sam2_tiny --source video.mp4 --prompt first_frame.png --out result",
        "pip install 'ermu[export,sam2,headless]'",
        "pip install 'ermu[export,edgetam,headless]'",
    ),
    "tests/export/precision/test_object_bundles.py::test_what_changes_is_measured": (
        "ermu build --bundle sam2_tiny --precision int8",
        "ermu build --bundle sam2_tiny --precision fp16",
    ),
    "tests/export/engines/test_object_engines.py::test_all_engines_join_the_bundle": (
        "ermu build --bundle sam2_tiny --precision fp16 --engine tensorrt-rtx",
    ),
    "tests/runtime/serve/test_own_memories.py": (
        "ermu serve --bundle sam2_tiny --source rtsp://camera/stream",
    ),
    "tests/export/engines/test_building.py::test_engines_join_the_bundle": (
        "ermu build --bundle B --engine tensorrt-rtx --precision fp16 --size 353x641",
        "pip install 'ermu[rtx-build,headless]'",
    ),
    "tests/fleet/test_ray.py::test_a_worker_that_is_killed_comes_back_and_a_full_fleet_refuses": (
        "ermu fleet --config fleet.yaml",
        "pip install 'ermu[cpu,fleet,headless]'",
    ),
    "tests/fleet/test_check.py::test_a_good_file_says_what_it_takes": (
        "ermu fleet check --config fleet.yaml",
    ),
    "tests/fleet/test_ray.py::test_an_evaluation_on_ray_is_one_machines_byte_for_byte": (
        "ermu eval --bundle demo --dataset scenes --out runs/scenes --fleet local --resume",
    ),
    "tests/fleet/test_ray.py::test_many_videos_on_ray_are_those_of_ermu_run_byte_for_byte": (
        "ermu fleet run --bundle demo --videos videos --prompts prompts --out results --resume",
    ),
    "tests/cli/commands/test_run_sessions.py::test_two_runs_are_one": (
        "ermu run --bundle demo --source part1.mp4 --prompt first.png --out a --save-session s.ermu",
        "ermu run --bundle demo --source part2.mp4 --session s.ermu --out b",
    ),
    "tests/cli/commands/test_run_sessions.py::test_another_stream_begins_with_its_objects": (
        "ermu run --prime s.ermu --source other.mp4",
    ),
    "tests/cli/commands/test_serve_sessions.py::test_killed_and_started_again": (
        "ermu serve --bundle demo --source rtsp://camera/stream --name door --sessions /var/lib/ermu",
    ),
    "tests/training/test_trainer.py::test_two_processes_train_one_network": (
        "torchrun --nproc-per-node 4 --no-python ermu train --config training/configs/pre_vost_2.yaml",
    ),
    "tests/test_plugins.py::test_policy_and_sink_from_the_command_line": (
        "pip install ./ermu-early",
        "ermu run --bundle demo --source scene:7 --out result --policy early --sink areas=areas.csv",
    ),
    "tests/test_shell.py::test_completion_is_installed_and_completes": (
        "ermu --install-completion",
        "ermu --show-completion",
    ),
    "tests/runtime/bundle/stores/test_hf.py": ("pip install 'ermu[hub,headless]'",),
    "tests/deploy/test_container.py::test_the_image_runs_read_only_and_is_healthy": (
        "docker build -f deploy/Dockerfile -t ermu .",
        "docker run --rm --read-only --tmpfs /tmp -e ERMU_TOKEN=$(openssl rand -hex 16) "
        "-p 127.0.0.1:8000:8000 ermu",
        "docker run --rm --read-only --tmpfs /tmp -v $PWD:/data -w /data -u $(id -u) ermu run --bundle demo "
        "--source video.mp4 --prompt first.png --out result",
    ),
}
# Not run, and why: what this machine lacks, or the command that stands for it.
NOT_RUN: dict[str, tuple[str, ...]] = {
    "a GPU": (
        "ermu build --bundle B --engine tensorrt --precision fp16 --size 353x641",
        "ermu run --bundle B --precision fp16 --device cuda --backend tensorrt --source 0 --out result",
        "ermu doctor --bundle B --device cuda",
        "pip install 'ermu[gpu,headless]'",
        "pip install 'ermu[tensorrt,headless]'",
        "pip install 'ermu[rtx,headless]'",
        "pip install 'ermu[cuda12,live,headless]' 'onnxruntime-gpu[cuda,cudnn]<1.27'",
        "pip install 'ermu[cuda12,live,build,headless]' tensorrt-cu12",
        "pip install 'ermu[cuda12,live,build,headless]' tensorrt-rtx-cu12",
        "python3 -m venv --system-site-packages .venv && .venv/bin/pip install 'ermu[live,build,headless]'",
        "ERMU_CUDA_SYNC=1 ermu run ...",
    ),
    "a machine with nothing else to do": (
        "make bench",
        "python -m ermu.benchmarks.guard --store",
        "python -m ermu.benchmarks.kernels",
        "python -m ermu.benchmarks.measures.fleet_overhead --rounds 3 --seconds 20",
        "python -m ermu.benchmarks.measures.start_up",
        "python -m ermu.benchmarks.scaling.cores",
        "python -m ermu.benchmarks.measures.glass_to_glass",
        "python -m ermu.benchmarks.measures.priming --bundle demo",
        "python -m ermu.benchmarks.measures.glass_to_glass --seconds 25",
    ),
    "footage of DAVIS, which is not part of the repository": (
        "python docs/figures/inside.py --davis DAVIS",
        "python docs/figures/moving.py --davis DAVIS",
        "python docs/figures/footage.py --davis DAVIS",
        "ermu eval --bundle demo --dataset davis2016 --root DAVIS --baseline flow",
        "ermu eval --bundle demo --dataset davis2016 --root DAVIS --split half",
        "ermu serve --bundle demo --source dog.mp4",
    ),
    "photographs of Debian's, fetched by hand": (
        "make photographs",
        "ermu eval --bundle demo --dataset scenes --split footage",
    ),
    "what every test of a virtual environment does first": (
        "python3 -m venv ermu && . ermu/bin/activate",
        "pip install torch --index-url https://download.pytorch.org/whl/cpu",
    ),
    "a command above with fewer or other options, or the extras of several": (
        RUN,
        "ermu eval --bundle BUNDLE --dataset scenes --out results/scenes --baseline flow",
        "ermu export --checkpoint F.pth --out BUNDLE",
        "ermu export --policy ermu --gap 5",
        "pip install 'ermu[cpu,serve,formats,headless]'",
        "pip install 'ermu[cpu,headless]' && ermu demo",
    ),
    "a cross-compiler and QEMU": ("python -m tests.kernels.cpu.aarch64",),
    "an FFmpeg with SRT, and its headers": ("pip install --no-binary av --force-reinstall av",),
    "the suite itself": (
        "make demo",
        "make test",
        "make lint types",
        "make package",
        "make test-gpu",
        "python -m tests.emulated_gpu COMMAND",
        "python -m tests.support.synthetic r50_aotl F.pth",
    ),
    "a release": (
        "debootstrap --variant=minbase --include=g++ bullseye /opt/older http://deb.debian.org/debian",
        "CXX=$PWD/older-g++ python -m build --wheel && auditwheel repair dist/*.whl",
    ),
    "a request of tests/runtime/serve": (
        "curl -H 'Content-Type: application/json' http://127.0.0.1:8000/api/streams/0/objects -d '{",
    ),
}
