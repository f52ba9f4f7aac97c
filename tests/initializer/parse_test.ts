import { assert, assertEquals, assertThrows } from "@std/assert";
import { DaemonError } from "../../src/errors.ts";
import type { InitializerSpec } from "../../src/initializer/specs.ts";
import { createInitializers } from "../../src/initializer/initializers.ts";
import { EgressProxy } from "../../src/outbound/egress_proxy.ts";
import { systemClock } from "../../src/clock.ts";
import type { Git } from "../../src/git/git.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { downloadSpec, gitSpec, SHA256 } from "./fixture.ts";

/** Nothing is touched by validation but the protocols that are allowed. */
const initializers = createInitializers({
  git: { protocols: ["https", "http", "ssh", "git"] } as unknown as Git,
  egressProxy: new EgressProxy({ allowLoopback: false, allowHosts: [], denyHosts: [] }),
  clock: systemClock,
  spool: "/nowhere",
  metrics: new Metrics(),
});

const URL_ = "https://example.com/a.git";
const SNAPSHOT = "snapshots/x.tar@bucket";
const snapshot = { kind: "snapshot", snapshot: SNAPSHOT, fromVolumeSnapshot: false } as const;
const backup = { kind: "backup", checkoutLocation: "", fromVolumeSnapshot: false } as const;
const composite = (...parts: InitializerSpec[]): InitializerSpec => ({
  kind: "composite",
  initializers: parts,
});

function nested(depth: number): InitializerSpec {
  return depth === 0 ? { kind: "empty" } : composite(nested(depth - 1));
}

function filesAt(...paths: string[]): InitializerSpec {
  const files = paths.map((filePath) => ({ url: "http://x/", filePath, digest: SHA256 }));
  return { kind: "download", files, targetLocation: "" };
}

const GOOD: readonly InitializerSpec[] = [
  { kind: "empty" },
  gitSpec(URL_),
  gitSpec("https://user:secret@example.com:8443/a.git", { upstreamRemoteUri: URL_ }),
  gitSpec("ssh://git@example.com/a.git"),
  gitSpec("git@example.com:group/a.git"),
  gitSpec("git://example.com/a.git"),
  gitSpec(URL_, { targetMode: "REMOTE_COMMIT", cloneTarget: "a1b2c3d4" }),
  gitSpec(URL_, { targetMode: "REMOTE_BRANCH", cloneTarget: "feature/x.y" }),
  gitSpec(URL_, { targetMode: "REMOTE_BRANCH", cloneTarget: "refs/tags/v1" }),
  gitSpec(URL_, { targetMode: "LOCAL_BRANCH", cloneTarget: "refs/heads/mine" }),
  gitSpec(URL_, { checkoutLocation: "src/./a/" }),
  gitSpec(URL_, { config: { authentication: "BASIC_AUTH", authPassword: "token" } }),
  gitSpec(URL_, { config: { authentication: "BASIC_AUTH_OTS", authOts: "https://x.org/1" } }),
  gitSpec(URL_, { config: { customConfig: { 'http.https://a.b/"c.extraHeader': "x: y" } } }),
  snapshot,
  backup,
  { kind: "prebuild", prebuild: snapshot, git: [gitSpec(URL_)] },
  { kind: "prebuild", prebuild: { ...snapshot, snapshot: "" }, git: [gitSpec(URL_)] },
  { kind: "prebuild", git: [gitSpec(URL_)] },
  downloadSpec("http://example.com/x?y"),
  downloadSpec("https://example.com/x", `sha512:${"a".repeat(128)}`, { filePath: "a/b" }),
  filesAt("a/b", "a/c/d", "a.b", "ab"),
  composite({ kind: "empty" }, snapshot, gitSpec(URL_, { checkoutLocation: "a" })),
  composite(gitSpec(URL_), downloadSpec("http://example.com/x")),
  nested(8),
];

Deno.test("parse accepts what is right", () => {
  for (const spec of GOOD) initializers.parse(spec, "initializer");
});

const BAD: readonly (readonly [InitializerSpec, string, string])[] = [
  [gitSpec(""), "git.remote_uri", "must not be empty"],
  [gitSpec("-u./x"), "git.remote_uri", 'must not start with "-"'],
  [gitSpec("/some/path"), "git.remote_uri", "must be a URL"],
  [gitSpec("../a.git"), "git.remote_uri", "must be a URL"],
  [gitSpec("https://"), "git.remote_uri", "valid URL"],
  [gitSpec("https://example.com/\nx"), "git.remote_uri", "control characters"],
  [gitSpec("ext::sh -c x"), "git.remote_uri", "protocol ext"],
  [gitSpec("file:///x.git"), "git.remote_uri", "git.protocols: https, http, ssh, git"],
  [gitSpec("ftp://example.com/x"), "git.remote_uri", "protocol ftp"],
  [gitSpec("ssh://-oProxyCommand=x/y"), "git.remote_uri", "host"],
  [gitSpec("-oProxyCommand=x:y"), "git.remote_uri", "-"],
  [gitSpec(URL_, { upstreamRemoteUri: "x" }), "git.upstream_Remote_uri", "must be a URL"],
  [gitSpec(URL_, { targetMode: "REMOTE_COMMIT" }), "git.clone_taget", "REMOTE_COMMIT"],
  [gitSpec(URL_, { targetMode: "REMOTE_BRANCH" }), "git.clone_taget", "REMOTE_BRANCH"],
  [gitSpec(URL_, { targetMode: "LOCAL_BRANCH" }), "git.clone_taget", "LOCAL_BRANCH"],
  [
    gitSpec(URL_, { targetMode: "LOCAL_BRANCH", cloneTarget: "refs/tags/v1" }),
    "git.clone_taget",
    "names no branch",
  ],
  [
    gitSpec(URL_, { targetMode: "REMOTE_COMMIT", cloneTarget: "main" }),
    "git.clone_taget",
    "hexadecimal",
  ],
  ...["-x", "a..b", "a b", "a~", "x.lock", "/a", "a/", ".a", "a@{1}", "@", "HEAD", "a\u0001"].map((
    cloneTarget,
  ) =>
    [
      gitSpec(URL_, { targetMode: "LOCAL_BRANCH", cloneTarget }),
      "git.clone_taget",
      "Git branch",
    ] as const
  ),
  [gitSpec(URL_, { checkoutLocation: "../x" }), "git.checkout_location", ".."],
  [gitSpec(URL_, { checkoutLocation: "/x" }), "git.checkout_location", "relative"],
  [gitSpec(URL_, { checkoutLocation: "a/.GIT/b" }), "git.checkout_location", ".git"],
  [gitSpec(URL_, { checkoutLocation: "a\0" }), "git.checkout_location", "NUL"],
  [gitSpec(URL_, { checkoutLocation: "x".repeat(256) }), "git.checkout_location", "255"],
  [
    gitSpec(URL_, { config: { customConfig: { nosection: "x" } } }),
    'git.config.custom_config["nosection"]',
    "section.key",
  ],
  [
    gitSpec(URL_, { config: { customConfig: { "a.b": "x\0" } } }),
    'git.config.custom_config["a.b"]',
    "NUL",
  ],
  [
    gitSpec(URL_, { config: { authentication: "BASIC_AUTH" } }),
    "git.config.auth_user",
    "BASIC_AUTH",
  ],
  [
    gitSpec(URL_, { config: { authentication: "BASIC_AUTH", authUser: "a\nb" } }),
    "git.config.auth_user",
    "line breaks",
  ],
  [
    gitSpec(URL_, { config: { authentication: "BASIC_AUTH", authPassword: "a\nb" } }),
    "git.config.auth_password",
    "line breaks",
  ],
  [
    gitSpec(URL_, { config: { authentication: "BASIC_AUTH_OTS", authOts: "" } }),
    "git.config.auth_ots",
    "http",
  ],
  [
    gitSpec(URL_, { config: { authentication: "BASIC_AUTH_OTS", authOts: "file:///etc/passwd" } }),
    "git.config.auth_ots",
    "http",
  ],
  [
    gitSpec("ssh://h/x", { config: { authentication: "BASIC_AUTH", authUser: "x" } }),
    "git.config.authentication",
    "http",
  ],
  [{ ...snapshot, snapshot: "" }, "snapshot.snapshot", "must"],
  [{ ...snapshot, fromVolumeSnapshot: true }, "snapshot.from_volume_snapshot", "another kind"],
  [{ ...backup, fromVolumeSnapshot: true }, "backup.from_volume_snapshot", "another kind"],
  [{ ...backup, checkoutLocation: "a/../.." }, "backup.checkout_location", ".."],
  [{ kind: "prebuild", git: [] }, "prebuild.prebuild", "must be set"],
  [
    { kind: "prebuild", prebuild: { ...snapshot, fromVolumeSnapshot: true }, git: [] },
    "prebuild.prebuild.from_volume_snapshot",
    "another kind",
  ],
  [
    { kind: "prebuild", prebuild: snapshot, git: [gitSpec(URL_), gitSpec("x")] },
    "prebuild.git[1].remote_uri",
    "must be a URL",
  ],
  [{ kind: "download", files: [], targetLocation: "" }, "download.files", "at least one"],
  [downloadSpec(""), "download.files[0].url", "must be set"],
  [downloadSpec("file:///etc/passwd"), "download.files[0].url", "http"],
  [downloadSpec("http://x/", ""), "download.files[0].digest", "sha256:"],
  [downloadSpec("http://x/", `md5:${"0".repeat(32)}`), "download.files[0].digest", "sha512:"],
  [downloadSpec("http://x/", `${SHA256}0`), "download.files[0].digest", "64"],
  [downloadSpec("http://x/", SHA256, { filePath: "" }), "download.files[0].file_path", "name"],
  [
    downloadSpec("http://x/", SHA256, { filePath: "a/../../b" }),
    "download.files[0].file_path",
    "..",
  ],
  [downloadSpec("http://x/", SHA256, { targetLocation: ".." }), "download.target_location", ".."],
  [
    filesAt("a", "./a"),
    "download.files[1].file_path",
    "files[0].file_path",
  ],
  [filesAt("a/b", "a/b/c"), "download.files[1].file_path", "leads through initializer.download.f"],
  [
    filesAt("x", "a/b/c", "a"),
    "download.files[2].file_path",
    "is a folder of initializer.download",
  ],
  [composite(), "composite.initializer", "at least one"],
  [nested(9), "composite", "nested"],
  [
    composite({ kind: "empty" }, downloadSpec("http://x/", "x")),
    "composite.initializer[1].download.files[0].digest",
    "must be",
  ],
  [
    composite(gitSpec(URL_), composite(snapshot)),
    "composite.initializer[1].composite.initializer[0].snapshot",
    "first",
  ],
  [composite(backup, backup), "composite.initializer[1].backup", "first"],
];

Deno.test("parse names the field and what is wrong with it", async (t) => {
  for (const [spec, field, problem] of BAD) {
    await t.step(`${field}: ${problem}`, () => {
      const error = assertThrows(() => initializers.parse(spec, "initializer"), DaemonError);
      assertEquals(error.code, "INVALID_ARGUMENT");
      assert(error.message.includes(`${field} `), error.message);
      assert(error.message.startsWith("initializer."), error.message);
      assert(error.message.includes(problem), error.message);
    });
  }
});

Deno.test("parse repeats no secret", () => {
  const secrets = [
    gitSpec("ftp://user:hunter2@example.com/x"),
    gitSpec(URL_, { config: { authentication: "BASIC_AUTH_OTS", authOts: "x:hunter2" } }),
    gitSpec(URL_, { config: { authentication: "BASIC_AUTH", authPassword: "hunter2\n" } }),
    downloadSpec("ftp://x/?token=hunter2"),
  ];
  for (const spec of secrets) {
    const error = assertThrows(() => initializers.parse(spec, "initializer"), DaemonError);
    assert(!error.message.includes("hunter2"), error.message);
  }
});

Deno.test("checkout location is the first checkout's, else the backup's, else the top", () => {
  const at = (checkoutLocation: string) => gitSpec(URL_, { checkoutLocation });
  const from = (checkoutLocation: string) => ({ ...backup, checkoutLocation });
  const cases: [InitializerSpec, string][] = [
    [at("./a//b/"), "a/b"],
    [composite({ kind: "empty" }, composite(at("x")), at("y")), "x"],
    [composite(from("b"), at("x")), "x"],
    [composite({ kind: "empty" }, from("b")), "b"],
    [{ kind: "prebuild", prebuild: snapshot, git: [at("p"), at("q")] }, "p"],
    [snapshot, ""],
    [{ kind: "empty" }, ""],
  ];
  for (const [spec, location] of cases) {
    assertEquals(initializers.parse(spec, "initializer").checkoutLocation, location);
  }
});
