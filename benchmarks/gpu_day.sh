#!/usr/bin/env bash
# The day a GPU is lent: every check that needs one, on a bare machine without network, within ten minutes.
#
#   benchmarks/gpu_day.sh [OUT.json]         runs what can be run there; what cannot says what it lacks
#   benchmarks/gpu_day.sh --dry [OUT.json]   says so of every step, and runs none
#   benchmarks/gpu_day.sh --pack             on a machine with network and nvcc: wheels of what may be missing, into wheels/
#
# Steps are independent: one that fails or runs out of time is written down, and the next one starts.
# This has been rehearsed without a GPU only.
set -u
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}" dry=0 wheels="${WHEELS:-wheels}"
if [ "${1:-}" = --pack ]; then
  "$python" -m pip wheel -q -w "$wheels" numpy opencv-python-headless pydantic typer rich pillow pytest filelock onnx
  du -sh "$wheels"; exit
fi
if [ "${1:-}" = --dry ]; then dry=1; shift; fi
out="$(realpath -m "${1:-gpu-day.json}")" work="$(mktemp -d)"; trap 'rm -rf "$work"' EXIT

# The packages as they are imported: the top-level folders linked into one `ermu`.
mkdir -p "$work/import/ermu"
ln -s "$PWD"/ermu/* "$PWD"/{benchmarks,export,runtime,kernels,evaluation,training} "$work/import/ermu/"
export PYTHONPATH="$work/import:$PWD" PYTHONSAFEPATH=1 ERMU_CACHE="$work/cache"
if [ $dry = 0 ] && [ -d "$wheels" ]; then
  "$python" -m venv --system-site-packages "$work/venv" && python="$work/venv/bin/python" &&
    "$python" -m pip install -q --no-index --find-links "$wheels" "$wheels"/*.whl || echo "wheels: not all installed" >&2
fi

# Whether a log is of pytest and every test skipped, which pytest calls a success.
none_passed() { grep -qE '[0-9]+ skipped' "$1" && ! grep -qE '[0-9]+ passed' "$1"; }

# nvcc, or NVRTC from a wheel (torch brings it), for the driver that is here.
has_compiler() {
  command -v nvcc >/dev/null || "$python" -c 'from ermu.devices.driver import compiler, library
compiler.compile_source("", 90, major=library.created("cuDriverGetVersion") // 1000, includes=[])' >/dev/null 2>&1
}

# step NAME SECONDS "NEEDED..." COMMAND...: needed are programs, and python modules as py:NAME
step() {
  local name=$1 limit=$2 lacks="" need; read -ra needed <<<"$3"; shift 3
  for need in "${needed[@]}"; do
    case $need in
      py:*) "$python" -c "import ${need#py:}" >/dev/null 2>&1 || lacks+="${need#py:} " ;;
      gpu) "$python" -c 'from ermu.devices.cuda import device_capability as ask; ask()' >/dev/null 2>&1 || lacks+="GPU " ;;
      compiler) has_compiler || lacks+="nvcc or NVRTC " ;;
      *) command -v "$need" >/dev/null || lacks+="$need " ;;
    esac
  done
  local state=ready code=0 began=$SECONDS
  if [ -n "$lacks" ]; then state="lacks ${lacks% }"
  elif [ $dry = 0 ]; then
    timeout "$limit" "$@" >"$work/$name.log" 2>&1; code=$?
    case $code in 0) state=ok; none_passed "$work/$name.log" && state="skipped whole" ;; 124) state="out of time ($limit s)" ;; *) state=failed ;; esac
  fi
  printf '%-16s %s\n' "$name" "$state"
  printf '%s\t%s\t%s\t%s\t%s\n' "$name" "$state" "$code" $((SECONDS - began)) "$*" >>"$work/steps"
}

pytest=("$python" -m pytest -p ermu -p no:cacheprovider -m gpu -rs)
step machine 10 "gpu nvcc" bash -c 'nvidia-smi && nvcc --version'
step doctor 40 "py:numpy py:cv2 py:typer" "$python" -m ermu doctor --device cuda --json
step kernels 110 "gpu compiler py:pytest" "${pytest[@]}" tests/kernels tests/devices
for tool in racecheck memcheck; do
  step $tool 100 "gpu compiler compute-sanitizer py:pytest" \
    compute-sanitizer --tool $tool --error-exitcode 9 "${pytest[@]}" tests/kernels/cuda/test_scoring.py
done
step backends 100 "gpu compiler py:pytest py:onnxruntime" "${pytest[@]}" tests/runtime
step bench 80 "gpu compiler py:onnxruntime" "$python" -m ermu bench --bundle demo --device cuda --frames 100 --scale lanes
step predictions 40 "nvcc py:numpy" "$python" -c \
  'import json; from ermu.benchmarks.kernels.gpu_prediction import predictions; print(json.dumps(predictions()))'

"$python" - "$work" "$out" "$dry" <<'P'
import json, pathlib, platform, sys
work, out, dry = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3] == "1"
steps = []
for line in (work / "steps").read_text().splitlines():
    name, state, code, seconds, command = line.split("\t")
    log = work / f"{name}.log"
    text = log.read_text(errors="replace")[-20000:] if log.exists() else ""
    steps.append(dict(name=name, state=state, exit=int(code), seconds=int(seconds), command=command, log=text))
record = {"dry": dry, "machine": platform.platform(), "python": platform.python_version(), "steps": steps}
out.write_text(json.dumps(record, indent=1) + "\n")
print("written to", out)
P
grep -qP '\t(failed|out of time)' "$work/steps" && exit 1 || exit 0
