/**
 * The server and grpc-go (Debian's `golang-go` and `golang-google-grpc-dev`, which CI does not install:
 * they are large, and compiling the client takes a minute).
 */

import { fromFileUrl, join } from "@std/path";
import { hasOpenssl, succeeds } from "../rpc/certificates.ts";
import { temporaryFolder } from "../rpc/fixture.ts";
import { describeMessages, runClient, type Seen, speaksInTheClear, speaksTls } from "./fixture.ts";

/** Where Debian's packages put Go's sources. */
const SOURCES = "/usr/share/gocode";

const missing = [
  ...(await succeeds("go", ["version"]) ? [] : ["golang-go"]),
  ...(isThere(`${SOURCES}/src/google.golang.org/grpc`) ? [] : ["golang-google-grpc-dev"]),
  ...(isThere(`${SOURCES}/src/google.golang.org/protobuf`) ? [] : ["golang-google-protobuf-dev"]),
  ...(hasOpenssl ? [] : ["openssl"]),
];
const note = missing.length > 0 ? ` (ignored: there is no ${missing.join(", ")})` : "";

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** Compiles the client into a folder. @returns its path */
async function compile(folder: string): Promise<string> {
  const program = join(folder, "client");
  const source = fromFileUrl(new URL("go_client.go", import.meta.url));
  const { success, stderr } = await new Deno.Command("go", {
    args: ["build", "-o", program, source],
    env: {
      CGO_ENABLED: "0",
      GO111MODULE: "off",
      GOCACHE: join(folder, "cache"),
      GOFLAGS: "",
      GOPATH: SOURCES,
    },
  }).output();
  if (!success) throw new Error(`go build failed: ${new TextDecoder().decode(stderr)}`);
  return program;
}

Deno.test({
  name:
    `a client of grpc-go gets every answer and every detail of an error, over TCP, unix socket, TLS ` +
    `and mTLS${note}`,
  ignore: missing.length > 0,
  fn: async (t) => {
    await using folder = await temporaryFolder();
    const descriptors = await describeMessages(folder.path);
    const program = await compile(folder.path);
    const client = (options: Seen) => runClient([program], { descriptors, ...options });
    await t.step("in the clear", () => speaksInTheClear(client));
    await t.step("over TLS and mTLS", () => speaksTls(client));
  },
});
