/**
 * Checks the manifests of `scripts/kubernetes`: each overlay is built by kustomize (`kubectl`), and each
 * object checked by the API's own schemas, which an npm package carries: for the types of all values
 * when it is run, and for fields that no such object has by the compiler. That package is heavy, so it
 * is pinned here and no dependency of the project: `deno task kubernetes`.
 */

import { fromFileUrl, join } from "@std/path";

const MODELS = "npm:kubernetes-models@5.1.0";
const YAML = "npm:yaml@2.8.1";

const FOLDER = fromFileUrl(new URL("./kubernetes", import.meta.url));

/** An object of a manifest. */
interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

async function run(program: string, args: readonly string[], cwd?: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    ...(cwd === undefined ? {} : { cwd }),
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  if (success) return decoder.decode(stdout);
  throw new Error(`${program} ${args[0]}: ${decoder.decode(stdout)}${decoder.decode(stderr)}`);
}

/** Runs this Deno in a folder that has no config and no lock. */
function deno(folder: string, ...args: string[]): Promise<string> {
  return run(Deno.execPath(), args, folder);
}

/** Returns the objects of an overlay. */
async function build(overlay: string, folder: string): Promise<Manifest[]> {
  const text = await run("kubectl", ["kustomize", join(FOLDER, "overlays", overlay)]);
  await Deno.writeTextFile(join(folder, "manifests.yaml"), text);
  await Deno.writeTextFile(
    join(folder, "parse.ts"),
    `import { parseAllDocuments } from "${YAML}";
const text = Deno.readTextFileSync("manifests.yaml");
const documents = parseAllDocuments(text, { strict: true });
for (const { errors } of documents) if (errors.length > 0) throw errors[0];
console.log(JSON.stringify(documents.map((one) => one.toJS())));
`,
  );
  return JSON.parse(
    await deno(folder, "run", "--no-config", "--allow-read=.", "--allow-env", "parse.ts"),
  );
}

/** Returns the module that has an object's schema: the core group has no name. */
function moduleOf({ apiVersion, kind }: Manifest): string {
  return `${MODELS}/${apiVersion}/${kind}`;
}

/** Returns a program that does not compile, or fails, where an object is not as its schema says. */
function checkerOf(manifests: readonly Manifest[]): string {
  const parts = manifests.map((manifest, n) => {
    const { kind, metadata: { name } } = manifest;
    return `import { ${kind} as Model${n}, type I${kind} as Object${n} } from "${
      moduleOf(manifest)
    }";
const object${n}: Object${n} = ${JSON.stringify(manifest, null, 2)};
check(${JSON.stringify(`${kind} ${name}`)}, () => new Model${n}(object${n}).validate());
`;
  });
  return `${parts.join("")}
function check(name: string, validate: () => void) {
  try {
    validate();
    console.log("ok", name);
  } catch (error) {
    console.log("FAILED", name, (error as Error).message);
    Deno.exitCode = 1;
  }
}
`;
}

async function check(overlay: string): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "wsdaemon-kubernetes-" });
  try {
    const manifests = await build(overlay, folder);
    await Deno.writeTextFile(join(folder, "check.ts"), checkerOf(manifests));
    return await deno(
      folder,
      "run",
      "--no-config",
      "--check",
      "--no-prompt",
      "--allow-env",
      "check.ts",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) {
  for (const { name } of Deno.readDirSync(join(FOLDER, "overlays"))) {
    try {
      const told = await check(name);
      Deno.stdout.writeSync(new TextEncoder().encode(`${name}:\n${told}`));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      Deno.stderr.writeSync(new TextEncoder().encode(`${name}: ${why}\n`));
      Deno.exitCode = 1;
    }
  }
}
