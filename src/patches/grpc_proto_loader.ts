/**
 * Makes `fs.accessSync` ask for no more than read permission.
 *
 * `@grpc/proto-loader`, which health and reflection read their own .proto files through, looks for
 * them with it. Deno's needs a permission that the daemon Worker has no other use for (`sys` uid),
 * and does not see the files embedded in a compiled binary. Must be imported before both.
 */

import fs from "node:fs";

fs.accessSync = (path) => {
  fs.statSync(path);
};
