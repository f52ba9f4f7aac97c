import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { readConfigFile } from "../../src/config/file.ts";
import { ConfigError } from "../../src/errors.ts";
import { FILE, type Given, load } from "./fixture.ts";

interface Mistake {
  name: string;
  given: Given;
  /** Each is one problem, which must contain all of its parts. */
  problems: string[][];
}

const s3 = (more: object) =>
  JSON.stringify({
    storage: { kind: "s3", endpoint: "https://s3.test", bucket: "b", ...more },
  });

const MISTAKES: Mistake[] = [
  {
    name: "a key with a letter too many",
    given: { file: '{\n  "listenn": []\n}' },
    problems: [[`${FILE}:2:3: listenn: unknown key`, 'did you mean "listen"?']],
  },
  {
    name: "a key that resembles none",
    given: { file: '{"backup": {"zebra": 1}}' },
    problems: [[
      "backup.zebra: unknown key",
      "expected one of attempts, concurrency, every, keep, onStop, retain, otherLineages",
    ]],
  },
  {
    name: "a pattern that leaves nothing of any workspace",
    given: { file: '{"exclude": {"patterns": ["*.o", "/**"]}}' },
    problems: [["exclude.patterns[1]: expected a pattern", "that leaves something"]],
  },
  {
    name: "a pattern of an older layout that two identities would share",
    given: { file: '{"storage": {"kind": "fs", "legacy": ["{meta}/full.tar@bucket"]}}' },
    problems: [["storage.legacy[0]: expected a pattern such as", "{owner} in the object or the"]],
  },
  {
    name: "owners' buckets whose hosts nobody knows",
    given: { file: s3({ legacy: ["{meta}/full.tar@user-{owner}"] }) },
    problems: [["storage.forcePathStyle: expected true", "storage.legacy has {owner} in a bucket"]],
  },
  {
    name: "another storage's key",
    given: { file: '{"storage": {"kind": "fs", "bucket": "b"}}' },
    problems: [["storage.bucket: unknown key", "expected one of kind, path, legacy"]],
  },
  {
    name: "an S3 key misspelt",
    given: { file: s3({ prefixx: "p" }) },
    problems: [["storage.prefixx: unknown key", 'did you mean "prefix"?']],
  },
  {
    name: "a number for a duration",
    given: { file: '{\n  // slow remotes\n  "git": {\n    "timeout": 600\n  }\n}' },
    problems: [[`${FILE}:4:5: git.timeout: expected a duration such as "10m", got 600`]],
  },
  {
    name: "a duration without its unit",
    given: { file: '{"shutdown": {"grace": "30"}}' },
    problems: [['shutdown.grace: expected a duration such as "10m" or "1h30m", got "30"']],
  },
  {
    name: "a duration that no timer holds",
    given: { file: '{"shutdown": {"grace": "25d"}}' },
    problems: [['shutdown.grace: expected a duration of at most 24d, got "25d"']],
  },
  {
    name: "an unknown storage kind",
    given: { file: '{"storage": {"kind": "gcs"}}' },
    problems: [['storage.kind: expected "fs", "s3" or "none", got "gcs"']],
  },
  {
    name: "a missing bucket and endpoint",
    given: { file: '{"storage": {"kind": "s3"}}' },
    problems: [
      ["storage.endpoint: expected an http or https URL", "missing"],
      ["storage.bucket: expected a string", "missing"],
    ],
  },
  {
    name: "a password alone in the endpoint",
    given: { file: s3({ endpoint: "https://:hunter2@s3.test" }) },
    problems: [["storage.endpoint: expected an http or https URL without credentials", "***"]],
  },
  {
    name: "credentials in the endpoint",
    given: { file: s3({ endpoint: "https://user:hunter2@s3.test" }) },
    problems: [[
      "storage.endpoint: expected an http or https URL without credentials",
      'got "https://***@s3.test"',
    ]],
  },
  {
    name: "half a pair of S3 keys",
    given: { file: s3({ accessKeyId: "AKIA" }) },
    problems: [["storage.secretAccessKey: expected accessKeyId and secretAccessKey together"]],
  },
  {
    name: "a session token alone",
    given: { file: s3({ sessionToken: "t" }) },
    problems: [["storage.sessionToken: means nothing without"]],
  },
  {
    name: "half a TLS pair",
    given: { file: '{"tls": {"cert": "c.pem"}}' },
    problems: [["tls.key: expected a path", "missing"]],
  },
  {
    name: "an address without a port",
    given: { flags: { listen: ["127.0.0.1"] } },
    problems: [["--listen[0]: listen[0]: expected HOST:PORT, [IPv6]:PORT or unix:///path"]],
  },
  {
    name: "a port beyond the last",
    given: { flags: { listen: ["127.0.0.1:65536"] } },
    problems: [["listen[0]: expected HOST:PORT, [IPv6]:PORT or unix:///path"]],
  },
  {
    name: "a relative unix socket",
    given: { flags: { listen: ["unix://run/x.sock"] } },
    problems: [["listen[0]: expected HOST:PORT, [IPv6]:PORT or unix:///path"]],
  },
  {
    name: "a unix socket path that the kernel has no room for",
    given: { flags: { listen: [`unix:///${"x".repeat(107)}`] } },
    problems: [["listen[0]: expected HOST:PORT, [IPv6]:PORT or unix:///path"]],
  },
  {
    name: "no address",
    given: { file: '{"listen": []}' },
    problems: [["listen: expected at least one address, got an array"]],
  },
  {
    name: "an address twice",
    given: { flags: { listen: ["127.0.0.1:8080", "127.0.0.1:8080"] } },
    problems: [["listen[1]: 127.0.0.1:8080 is listed twice"]],
  },
  {
    name: "a plaintext listener for the whole network",
    given: { flags: { listen: ["0.0.0.0:8080"] } },
    problems: [["listen[0]: 0.0.0.0:8080 can be reached from other machines", "--insecure"]],
  },
  {
    name: "a wrong variable",
    given: { env: { WSDAEMON_BACKUP_RETAIN: "many" } },
    problems: [["WSDAEMON_BACKUP_RETAIN: backup.retain: expected a whole number", 'got "many"']],
  },
  {
    name: "no backup kept",
    given: { file: '{"backup": {"retain": 0}}' },
    problems: [["backup.retain: expected a whole number from 1 to 10000, got 0"]],
  },
  {
    name: "a word for a truth value",
    given: { env: { WSDAEMON_INSECURE: "yes" } },
    problems: [['WSDAEMON_INSECURE: insecure: expected true or false, got "yes"']],
  },
  {
    name: "a negative owner",
    given: { file: '{"contentOwner": {"uid": -1, "gid": 0}}' },
    problems: [["contentOwner.uid: expected a whole number", "got -1"]],
  },
  {
    name: "a section that is no object",
    given: { file: '{"git": "10m"}' },
    problems: [['git: expected an object, got "10m"']],
  },
  {
    name: "a protocol of Git's that runs programs",
    given: { file: '{"git": {"protocols": ["https", "ext"]}}' },
    problems: [["git.protocols[1]: expected one of", 'got "ext"']],
  },
  {
    name: "a host with a scheme",
    given: {
      file: '{"net": {"allowHosts": ["::1", "*.example.com", "https://example.com", "a..b", ":", ' +
        '"example.com:443"]}}',
    },
    problems: [
      ["net.allowHosts[2]: expected a host name"],
      ["net.allowHosts[3]: expected a host name"],
      ["net.allowHosts[4]: expected a host name"],
      ["net.allowHosts[5]: expected a host name"],
    ],
  },
  {
    name: "a store among the workspaces",
    given: { file: '{"root": "/r", "storage": {"kind": "fs", "path": "/r/workspaces/store"}}' },
    problems: [["storage.path: /r/workspaces/store would mix the store with", "/r/workspaces"]],
  },
  {
    name: "a store in the cache, which may be deleted at any time",
    given: { file: '{"root": "/r", "storage": {"kind": "fs", "path": "/r/cache/store"}}' },
    problems: [["storage.path: /r/cache/store would mix the store with", "/r/cache"]],
  },
  {
    name: "a store around the root",
    given: { file: '{"root": "/r/w", "storage": {"kind": "fs", "path": "/r"}}' },
    problems: [["storage.path: /r would mix the store with"]],
  },
  {
    name: "a syntax error",
    given: { file: '{\n  "root": "/r"\n  "listen": []\n}' },
    problems: [[`${FILE}:3:3: not valid JSON: comma expected`]],
  },
  {
    name: "an array for the file",
    given: { file: "[]" },
    problems: [[`${FILE}:1:1: expected a JSON object`]],
  },
  {
    name: "an empty file",
    given: { file: "" },
    problems: [[`${FILE} is empty; an empty config is {}`]],
  },
  {
    name: "a key twice",
    given: { file: '{"root": "/a",\n "root": "/b"}' },
    problems: [[`${FILE}:2:2: the key "root" is twice in one object`]],
  },
];

for (const { name, given, problems } of MISTAKES) {
  Deno.test(`config is refused with the key and what was expected when there is ${name}`, () => {
    const error = assertThrows(() => load(given), ConfigError);
    assertEquals(error.problems.length, problems.length, error.message);
    problems.forEach((parts, index) => {
      for (const part of parts) assertStringIncludes(error.problems[index]!, part);
    });
  });
}

Deno.test("config names every mistake when there are several", () => {
  const file = '{"root": 1, "quota": {"driver": "zfs"}, "log": {"colour": true}}';
  const error = assertThrows(() => load({ file }), ConfigError);
  assertEquals(error.problems.length, 3);
});

Deno.test("config problems do not repeat a secret when it has the wrong type", () => {
  const file = s3({ accessKeyId: "AKIA", secretAccessKey: 8123499 });
  const error = assertThrows(() => load({ file }), ConfigError);
  assertStringIncludes(error.message, "storage.secretAccessKey: expected a string, got a number");
  assertEquals(error.message.includes("8123499"), false);
});

Deno.test("config file that cannot be read is named with the reason", () => {
  const reasons = {
    "/nonexistent/wsdaemon.json": "no such file or directory; check the path",
    "/proc": "it is a directory; name a file",
  };
  for (const [file, reason] of Object.entries(reasons)) {
    const error = assertThrows(() => readConfigFile(file), ConfigError);
    assertEquals(error.message, `Cannot read the config file ${file}: ${reason}`);
  }
});
