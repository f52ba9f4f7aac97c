// A client of Node's own grpc-js, with messages that proto-loader reads from proto/. Takes one JSON
// argument, prints what it saw as JSON.
const { readFileSync } = require("node:fs");
const { join } = require("node:path");

const options = JSON.parse(process.argv[2]);
const modules = (name) => require(join(options.modules, "node_modules", name));
const grpc = modules("@grpc/grpc-js");
const loader = modules("@grpc/proto-loader");

const loading = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };
const load = (path, folders) =>
  grpc.loadPackageDefinition(loader.loadSync(path, { ...loading, includeDirs: folders }));
const { wsdaemon } = load("daemon.proto", [options.proto]);
const { grpc: { health } } = load("health/v1/health.proto", [options.healthProto]);
const reflection = load("grpc/reflection/v1/reflection.proto", [options.reflectionProto])
  .grpc.reflection.v1;

function credentials() {
  if (!options.tls) return grpc.credentials.createInsecure();
  const pem = (name) => options.tls[name] ? readFileSync(options.tls[name]) : null;
  return grpc.credentials.createSsl(pem("ca"), pem("key"), pem("cert"));
}

const overrides = options.tls ? { "grpc.ssl_target_name_override": "localhost" } : {};
const connect = (Service) => new Service(options.target, credentials(), overrides);
const api = connect(wsdaemon.WorkspaceContentService);

const types = new (modules("protobufjs").Root)();
types.resolvePath = (_from, path) => join(options.proto, path);
types.loadSync(["google/rpc/status.proto", "google/rpc/error_details.proto"], { keepCase: true });

/** What google.rpc.Status in the trailers says, by protobufjs' own reading of the messages. */
function statusOf(error) {
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  if (bytes === undefined) return {};
  const status = types.lookupType("google.rpc.Status").decode(bytes);
  if (status.code !== error.code) throw new Error(`the details say ${status.code}`);
  const seen = { message: status.message };
  for (const { type_url, value } of status.details) {
    const type = types.lookupType(type_url.split("/").pop());
    const detail = type.toObject(type.decode(value), { longs: Number });
    if (type.name === "RetryInfo") seen.retry_seconds = detail.retry_delay.seconds;
    else if (type.name === "BadRequest") {
      seen.fields = detail.field_violations.map(({ field }) => field);
    } else seen[{ ErrorInfo: "error_info", ResourceInfo: "resource_info" }[type.name]] = detail;
  }
  return { status: seen };
}

function call(client, method, request, seconds = 20) {
  const deadline = Date.now() + seconds * 1000;
  return new Promise((resolve) => {
    client[method](
      request,
      { deadline },
      (error, answer) =>
        resolve(
          error
            ? { code: grpc.status[error.code], details: error.details, ...statusOf(error) }
            : answer,
        ),
    );
  });
}

function reflect(request) {
  return new Promise((resolve, reject) => {
    const stream = connect(reflection.ServerReflection).ServerReflectionInfo();
    stream.on("data", (answer) => {
      resolve(answer);
      stream.end();
    });
    stream.on("error", reject);
    stream.write(request);
  });
}

async function main() {
  const probe = await call(api, "IsWorkspaceExists", { id: "ws-1" }, options.tls ? 3 : 20);
  if (probe.code) return { refused: probe.code };
  const names = (await reflect({ list_services: "*" })).list_services_response.service;
  const symbol = "wsdaemon.WorkspaceContentService";
  const long = await call(api, "BackupWorkspace", { id: "long" });
  const malformed = await call(api, "TakeSnapshot", { id: "../x" });
  const described = await reflect({ file_containing_symbol: symbol });
  return {
    health: await call(connect(health.v1.Health), "check", { service: symbol }),
    known: probe,
    unknown: await call(api, "IsWorkspaceExists", { id: "other" }),
    init: await call(api, "InitWorkspace", options.init),
    wait: (await call(api, "WaitForInit", { id: "ws-1" }, 0.2)).code,
    snapshot: await call(api, "TakeSnapshot", { id: "ws-1", return_immediately: true }),
    backup: await call(api, "BackupWorkspace", { id: "ws-1" }),
    dispose: await call(api, "DisposeWorkspace", { id: "ws-1", backup_logs: true }),
    long: { code: long.code, reason: long.status.error_info.reason },
    malformed: { code: malformed.code, fields: malformed.status.fields },
    services: names.map(({ name }) => name).sort(),
    files: described.file_descriptor_response.file_descriptor_proto.length,
  };
}

main().then((seen) => {
  process.stdout.write(JSON.stringify(seen));
  process.exit(0);
});
