#!/bin/sh
# Starts Crossgate from this folder, from any working folder: run.sh doctor | verify | bench | train CONFIG | any command.
# The search for a Vulkan driver is in app/launch.mjs; this script only finds a Node that starts.
#   CROSSGATE_NODE     another Node binary
#   CROSSGATE_DATA     folder of data sets, CROSSGATE_MODELS folder of models
#   VK_DRIVER_FILES    the driver's manifest, when it should not be searched for
case "$0" in
  /*) self=$0 ;;
  */*) self=$PWD/$0 ;;
  *) self=$(command -v -- "$0") ;;
esac
while [ -L "$self" ]; do
  target=$(readlink -- "$self")
  case "$target" in /*) self=$target ;; *) self=${self%/*}/$target ;; esac
done
here=$(cd -- "${self%/*}" && pwd -P) || exit 1

node=${CROSSGATE_NODE:-$here/bin/node}
if ! "$node" --version >/dev/null 2>&1; then
  # A system without the C++ library: the carried one is used for this program alone.
  LD_LIBRARY_PATH=$here/lib/cxx${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  export LD_LIBRARY_PATH
  if ! problem=$("$node" --version 2>&1); then
    echo "run.sh: $node does not start here: $problem" >&2
    echo "run.sh: it needs linux-x64 with glibc 2.34 or newer; CROSSGATE_NODE names another Node" >&2
    exit 1
  fi
fi
exec "$node" "$here/app/launch.mjs" "$@"
