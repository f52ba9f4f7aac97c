import { assertEquals } from "@std/assert";
import { Command } from "commander";
import { addInitializerFlags, combine } from "../../src/cli/client/initializers.ts";

const HEX = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const CASES: { args: string[]; initializer: unknown }[] = [
  { args: ["--empty"], initializer: { empty: {} } },
  { args: ["--from-backup"], initializer: { backup: {} } },
  { args: ["--snapshot", "u"], initializer: { snapshot: { snapshot: "u" } } },
  { args: ["--git", "u"], initializer: { git: { remoteUri: "u" } } },
  {
    args: ["--git", "u", "--branch", "b", "--checkout", "c", "--full-clone", "--upstream", "v"],
    initializer: {
      git: {
        remoteUri: "u",
        targetMode: "REMOTE_BRANCH",
        cloneTaget: "b",
        checkoutLocation: "c",
        fullClone: true,
        upstreamRemoteUri: "v",
      },
    },
  },
  {
    args: ["--git", "u", "--commit", "abc"],
    initializer: { git: { remoteUri: "u", targetMode: "REMOTE_COMMIT", cloneTaget: "abc" } },
  },
  {
    args: ["--git", "u", "--local-branch", "l"],
    initializer: { git: { remoteUri: "u", targetMode: "LOCAL_BRANCH", cloneTaget: "l" } },
  },
  {
    args: ["--download", `https://x/?a=b=f/g#sha256:${HEX}`, "--download", `h=i#sha512:0`],
    initializer: {
      download: {
        files: [
          { url: "https://x/?a=b", filePath: "f/g", digest: `sha256:${HEX}` },
          { url: "h", filePath: "i", digest: "sha512:0" },
        ],
      },
    },
  },
  {
    args: ["--snapshot", "s", "--git", "a", "--checkout", "one", "--git", "b", "--empty"],
    initializer: {
      composite: {
        initializer: [
          { snapshot: { snapshot: "s" } },
          { git: { remoteUri: "a", checkoutLocation: "one" } },
          { git: { remoteUri: "b" } },
          { empty: {} },
        ],
      },
    },
  },
  { args: [], initializer: undefined },
];

for (const { args, initializer } of CASES) {
  Deno.test(`initializer flags keep their order when they are: ${args.join(" ") || "none"}`, () => {
    const command = new Command();
    const found = addInitializerFlags(command);
    command.parse(args, { from: "user" });
    assertEquals(combine(found), initializer);
  });
}
