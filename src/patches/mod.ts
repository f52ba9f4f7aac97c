/**
 * Workarounds for faults of dependencies, applied by importing this before them. Each file names the
 * fault and says when it can go.
 */

import "./grpc_proto_loader.ts";
import "./deno_pipe_close.ts";
