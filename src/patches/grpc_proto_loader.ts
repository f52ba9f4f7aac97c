/**
 * Makes `fs.accessSync` ask for no more than read permission.
 *
 * `@grpc/proto-loader`, which health and reflection read their own .proto files through, looks for
 * them with it. Deno's needs a permission that the daemon Worker has no other use for (`sys` uid),
 * and does not see the files embedded in a compiled binary. Must be imported before both.
 *
 * Remove it once Deno's `fs.accessSync` needs no `sys` permission and finds embedded files, or once
 * `@grpc/proto-loader` no longer calls it; `tests/rpc/confined_test.ts` fails if that is too early.
 */

import fs from "node:fs";

fs.accessSync = (path) => {
  fs.statSync(path);
};
