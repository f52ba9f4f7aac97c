import { assertEquals } from "@std/assert";
import { nodeAddresses } from "../../src/cli/client/node_address.ts";
import { chooseConfigFile } from "../../src/cli/config_file.ts";
import { testFolder } from "../fixtures/folder.ts";
import { inProcess } from "./in_process.ts";

Deno.test("a config file is that of the flag, the variable, or the node's, unless a root is named", () => {
  using folder = testFolder();
  const nodeConfig = `${folder.path}/config.json`;
  const choose = (
    given: { flag?: string; root?: string },
    env: Record<string, string> = {},
  ) => chooseConfigFile({ ...given, env, nodeConfig });
  const WSDAEMON_CONFIG = "/variable";
  assertEquals(choose({}), { isFound: false });
  Deno.writeTextFileSync(nodeConfig, "{}");
  assertEquals(choose({}), { file: nodeConfig, isFound: true });
  assertEquals(choose({}, { WSDAEMON_CONFIG }), { file: "/variable", isFound: false });
  assertEquals(choose({ flag: "/flag" }, { WSDAEMON_CONFIG }), { file: "/flag", isFound: false });
  assertEquals(choose({ flag: "/flag", root: "/r" }), { file: "/flag", isFound: false });
  assertEquals(choose({ root: "/r" }), { isFound: false });
  assertEquals(choose({}, { WSDAEMON_ROOT: "/r" }), { isFound: false });
});

Deno.test("the node's daemon is found by its socket, or on loopback without TLS", () => {
  using folder = testFolder();
  const nodeConfig = `${folder.path}/config.json`;
  const address = (config: string) => {
    Deno.writeTextFileSync(nodeConfig, config);
    const { api, operations } = nodeAddresses({ env: {}, nodeConfig });
    assertEquals(operations, api);
    return api;
  };
  assertEquals(nodeAddresses({ env: {}, nodeConfig }), {});
  assertEquals(
    address('{ "listen": ["127.0.0.1:9", "unix:///run/x.sock"] } // the socket'),
    "unix:///run/x.sock",
  );
  assertEquals(address('{ "listen": ["127.0.0.1:9"] }'), "127.0.0.1:9");
  assertEquals(address('{ "listen": ["127.0.0.1:0"] }'), undefined);
  const tls = '"tls": { "cert": "/c", "key": "/k" }';
  assertEquals(address(`{ "listen": ["127.0.0.1:9"], ${tls} }`), undefined);
  assertEquals(address("{ malformed"), undefined);
  const own = '"operations": { "listen": ["unix:///run/o.sock"] }';
  Deno.writeTextFileSync(nodeConfig, `{ "listen": ["127.0.0.1:9"], ${own} }`);
  const operations = "unix:///run/o.sock";
  assertEquals(nodeAddresses({ env: {}, nodeConfig }), { api: "127.0.0.1:9", operations });
  Deno.writeTextFileSync(nodeConfig, `{ "listen": ["127.0.0.1:9"], ${own}, ${tls} }`);
  assertEquals(nodeAddresses({ env: {}, nodeConfig }), { operations });
});

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

const isNode = exists("/etc/wsdaemon/config.json") || exists("/var/lib/wsdaemon");

Deno.test("store commands say which store they work on, where nobody has named it", {
  // A machine that is a node has one.
  ignore: isNode || Deno.env.has("WSDAEMON_CONFIG"),
}, async () => {
  using folder = testFolder();
  // No config and no root is named, so it is the default one, which this machine does not have.
  const { code, stderr } = await inProcess("store", "ls");
  assertEquals(code, 1);
  const [using, error] = stderr.split("\n");
  const store = "/var/lib/wsdaemon/store";
  assertEquals(
    using,
    `using the store in ${store}, as there is no config in /etc/wsdaemon/config.json and no --root ` +
      "(root /var/lib/wsdaemon)",
  );
  assertEquals(
    error,
    `error: NOT_FOUND: There is no store in ${store}; say which with --root or --config`,
  );
  const named = await inProcess("store", "--root", folder.path, "ls");
  assertEquals(named.stderr.split("\n").length, 2, named.stderr);
});
