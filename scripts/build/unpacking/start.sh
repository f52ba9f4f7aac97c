# Runs wsdaemon, of the folder $program, in place of this shell.
# Deno reads and writes no cache of its own: what a bundle in node_modules imports is not analysed.
# Each thread of Deno would have an arena of malloc, and keep what it was once given.
export DENO_DIR=/dev/null/none DENO_NO_UPDATE_CHECK=1 MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-2}"
exec "$program/wsdaemon" run @FLAGS@ "$program/node_modules/wsdaemon/main.js" "$@"
