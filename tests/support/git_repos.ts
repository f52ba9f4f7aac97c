/** Repositories for tests, made by the real git: bare remotes, and servers for them. */

import { basename, dirname, join } from "@std/path";
import { type TestFolder, testFolder } from "./folder.ts";

const IDENTITY = {
  GIT_AUTHOR_NAME: "Test",
  GIT_AUTHOR_EMAIL: "test@example.com",
  GIT_COMMITTER_NAME: "Test",
  GIT_COMMITTER_EMAIL: "test@example.com",
  GIT_AUTHOR_DATE: "1700000000 +0000",
  GIT_COMMITTER_DATE: "1700000000 +0000",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
  LC_ALL: "C",
};

/** Runs git with its own means, as a user would. @throws {Error} with what it said */
export function git(cwd: string, ...args: string[]): string {
  return gitWith(cwd, args).trimEnd();
}

/** {@link git} with an input and further variables. */
export function gitWith(
  cwd: string,
  args: readonly string[],
  options: { input?: string; env?: Record<string, string> } = {},
): string {
  // As root, git would not read repositories that were given to somebody else.
  const all = ["-c", "safe.directory=*", "-c", "protocol.file.allow=always", ...args];
  const input = options.input === undefined ? undefined : Deno.makeTempFileSync();
  try {
    const command = input === undefined ? "git" : "sh";
    if (input !== undefined) Deno.writeTextFileSync(input, options.input!);
    const { code, stdout, stderr } = new Deno.Command(command, {
      args: input === undefined
        ? all
        : ["-c", 'f=$1; shift; exec git "$@" < "$f"', "sh", input, ...all],
      cwd,
      env: { ...IDENTITY, ...options.env },
    }).outputSync();
    if (code !== 0) throw new Error(`git ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
    return new TextDecoder().decode(stdout);
  } finally {
    if (input !== undefined) Deno.removeSync(input);
  }
}

/** A commit for {@link makeRemote}: files with their content; `null` removes one. */
export interface TestCommit {
  branch: string;
  subject: string;
  files: Record<string, string | null>;
  /** Starts from another branch's commit. */
  from?: string;
}

/** Bare repositories by their commits: most tests of a file start from the same few. */
const made = new Map<string, TestFolder>();
Deno.test.afterAll(() => {
  for (const folder of made.values()) folder[Symbol.dispose]();
  made.clear();
});

/** Makes a bare repository at `path` with those commits; the first one's branch is its HEAD. */
export function makeRemote(path: string, commits: readonly TestCommit[] = []): string {
  const key = JSON.stringify(commits);
  const original = made.get(key) ?? testFolder();
  if (!made.has(key)) {
    made.set(key, original);
    const head = commits[0]?.branch ?? "main";
    git(original.path, "init", "--quiet", "--bare", `--initial-branch=${head}`, ".");
    addCommits(original.path, commits);
  }
  copyFolder(original.path, path);
  return path;
}

function copyFolder(from: string, to: string): void {
  Deno.mkdirSync(to, { recursive: true });
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copyFolder(join(from, name), join(to, name));
    else Deno.copyFileSync(join(from, name), join(to, name));
  }
}

/** Adds commits to a bare repository, on top of what their branches have. */
export function addCommits(path: string, commits: readonly TestCommit[]): void {
  if (commits.length === 0) return;
  const stored = new Set(
    git(path, "for-each-ref", "--format=%(refname:short)", "refs/heads").split("\n"),
  );
  const started = new Set<string>();
  // A branch that the script made is known by its name alone, and goes on where it was.
  const startOf = (branch: string, from: string | undefined) => {
    const start = from ?? (started.has(branch) || !stored.has(branch) ? undefined : branch);
    if (start === undefined) return [];
    return [`from refs/heads/${start}${started.has(start) ? "" : "^0"}`];
  };
  const script = commits.map(({ branch, subject, files, from }) => {
    const start = startOf(branch, from);
    started.add(branch);
    return [
      `commit refs/heads/${branch}`,
      "committer Test <test@example.com> 1700000000 +0000",
      data(subject),
      ...start,
      ...Object.entries(files).flatMap(([name, content]) =>
        content === null
          ? [`D ${name}`]
          : [`M ${modeOf(content)} inline ${name}`, data(bodyOf(content))]
      ),
      "",
    ].join("\n");
  }).join("\n");
  gitWith(path, ["fast-import", "--quiet", "--date-format=raw"], { input: script });
}

/** The content of a symbolic link, for {@link TestCommit.files}. */
export function linkTo(target: string): string {
  return `link:${target}`;
}

function modeOf(content: string): string {
  return content.startsWith("link:") ? "120000" : "100644";
}

function bodyOf(content: string): string {
  return content.startsWith("link:") ? content.slice(5) : content;
}

function data(text: string): string {
  return `data ${new TextEncoder().encode(text).length}\n${text}`;
}

/** Commits a submodule into a branch of a bare repository. */
export function addSubmodule(
  path: string,
  options: { branch: string; name: string; at: string; url: string; commit: string },
): void {
  const { branch, name, at, url, commit } = options;
  addModules(path, branch, `[submodule "${name}"]\n\tpath = ${at}\n\turl = ${url}\n`, {
    [at]: commit,
  });
}

/** Commits a `.gitmodules` with its gitlinks into a branch of a bare repository. */
export function addModules(
  path: string,
  branch: string,
  modules: string,
  gitlinks: Record<string, string>,
): void {
  const script = [
    `commit refs/heads/${branch}`,
    "committer Test <test@example.com> 1700000000 +0000",
    data("Add submodules"),
    `from refs/heads/${branch}^0`,
    "M 100644 inline .gitmodules",
    data(modules),
    ...Object.entries(gitlinks).map(([at, commit]) => `M 160000 ${commit} ${at}`),
    "",
  ].join("\n");
  gitWith(path, ["fast-import", "--quiet", "--date-format=raw"], { input: script });
}

/** What a {@link serveGit} server saw of a request. */
export interface GitRequest {
  path: string;
  authorization: string | null;
  headers: Headers;
}

export interface GitServer extends AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly requests: readonly GitRequest[];
}

export interface GitServerOptions {
  /** `user:password` that every request must bring. */
  login?: string;
  /** Answers instead of git where it gives a response. */
  intercept?(
    request: Request,
    count: number,
  ): Response | Promise<Response | undefined> | undefined;
}

/** Serves the bare repositories of a folder over http by `git http-backend`. */
export function serveGit(folder: string, options: GitServerOptions = {}): GitServer {
  const requests: GitRequest[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    const authorization = request.headers.get("authorization");
    requests.push({ path: pathname, authorization, headers: request.headers });
    const own = await options.intercept?.(request, requests.length);
    if (own) return own;
    if (options.login !== undefined && authorization !== `Basic ${btoa(options.login)}`) {
      return new Response("no", { status: 401, headers: { "www-authenticate": "Basic realm=t" } });
    }
    return await backend(folder, request);
  });
  const { port } = server.addr as Deno.NetAddr;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

async function backend(folder: string, request: Request): Promise<Response> {
  const url = new URL(request.url);
  const child = new Deno.Command("git", {
    args: ["-c", "safe.directory=*", "http-backend"],
    env: {
      ...IDENTITY,
      GIT_PROJECT_ROOT: folder,
      GIT_HTTP_EXPORT_ALL: "1",
      PATH_INFO: decodeURIComponent(url.pathname),
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers.get("content-type") ?? "",
      GIT_PROTOCOL: request.headers.get("git-protocol") ?? "",
      HTTP_CONTENT_ENCODING: request.headers.get("content-encoding") ?? "",
    },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const input = child.stdin.getWriter();
  await input.write(new Uint8Array(await request.arrayBuffer()));
  await input.close();
  const { stdout } = await child.output();
  const head = new TextDecoder("latin1").decode(stdout.subarray(0, 8192));
  const end = head.indexOf("\r\n\r\n");
  const headers = new Headers();
  let status = 200;
  for (const line of head.slice(0, end).split("\r\n")) {
    const colon = line.indexOf(": ");
    const name = line.slice(0, colon);
    const value = line.slice(colon + 2);
    if (name === "Status") status = Number(value.slice(0, 3));
    else headers.set(name, value);
  }
  return new Response(stdout.subarray(end + 4), { status, headers });
}

/** A `file://` URL. */
export function fileUrl(path: string): string {
  return `file://${join(dirname(path), basename(path))}`;
}
