/** What generated clients in other languages rely on, spelled out once more. */

import { assertEquals } from "@std/assert";
import {
  type DescEnum,
  type DescField,
  type DescFile,
  type DescMessage,
  ScalarType,
} from "@bufbuild/protobuf";
import { file_content_service_api_initializer } from "../../src/wire/gen/content-service-api/initializer_pb.ts";
import { file_daemon } from "../../src/wire/gen/daemon_pb.ts";

const DAEMON = `
go_package github.com/gitpod-io/gitpod/ws-daemon/api
import content-service-api/initializer
service wsdaemon.WorkspaceContentService
  InitWorkspace(wsdaemon.InitWorkspaceRequest) wsdaemon.InitWorkspaceResponse unary
  WaitForInit(wsdaemon.WaitForInitRequest) wsdaemon.WaitForInitResponse unary
  IsWorkspaceExists(wsdaemon.IsWorkspaceExistsRequest) wsdaemon.IsWorkspaceExistsResponse unary
  TakeSnapshot(wsdaemon.TakeSnapshotRequest) wsdaemon.TakeSnapshotResponse unary
  DisposeWorkspace(wsdaemon.DisposeWorkspaceRequest) wsdaemon.DisposeWorkspaceResponse unary
  BackupWorkspace(wsdaemon.BackupWorkspaceRequest) wsdaemon.BackupWorkspaceResponse unary
enum wsdaemon.WorkspaceContentState NONE=0 SETTING_UP=1 AVAILABLE=2 WRAPPING_UP=3
message wsdaemon.BackupWorkspaceRequest
  string id = 1
message wsdaemon.BackupWorkspaceResponse
  string url = 1
message wsdaemon.DisposeWorkspaceRequest
  string id = 1
  bool backup = 2
  bool backup_logs = 3
message wsdaemon.DisposeWorkspaceResponse
  contentservice.GitStatus git_status = 1
message wsdaemon.InitWorkspaceRequest
  reserved 4 5 6 9
  string id = 1
  wsdaemon.WorkspaceMetadata metadata = 2
  contentservice.WorkspaceInitializer initializer = 3
  bool remote_storage_disabled = 7
  int64 storage_quota_bytes = 8
message wsdaemon.InitWorkspaceResponse
message wsdaemon.IsWorkspaceExistsRequest
  string id = 1
message wsdaemon.IsWorkspaceExistsResponse
  bool exists = 1
message wsdaemon.TakeSnapshotRequest
  string id = 1
  bool return_immediately = 2
message wsdaemon.TakeSnapshotResponse
  string url = 1
message wsdaemon.WaitForInitRequest
  string id = 1
message wsdaemon.WaitForInitResponse
message wsdaemon.WorkspaceMetadata
  string owner = 1
  string meta_id = 2
`;

const INITIALIZER = `
go_package github.com/gitpod-io/gitpod/content-service/api
enum contentservice.CloneTargetMode REMOTE_HEAD=0 REMOTE_COMMIT=1 REMOTE_BRANCH=2 LOCAL_BRANCH=3
enum contentservice.GitAuthMethod NO_AUTH=0 BASIC_AUTH=1 BASIC_AUTH_OTS=2
message contentservice.CompositeInitializer
  repeated contentservice.WorkspaceInitializer initializer = 1
message contentservice.EmptyInitializer
message contentservice.FileDownloadInitializer
  repeated contentservice.FileDownloadInitializer.FileInfo files = 1
  string target_location = 2
message contentservice.FileDownloadInitializer.FileInfo
  string url = 1
  string file_path = 2
  string digest = 3
message contentservice.FromBackupInitializer
  string checkout_location = 1
  bool from_volume_snapshot = 2
message contentservice.GitConfig
  map<string, string> custom_config = 1
  contentservice.GitAuthMethod authentication = 2
  string auth_user = 3
  string auth_password = 4
  string auth_ots = 5
message contentservice.GitInitializer
  string remote_uri = 1
  string upstream_Remote_uri = 2
  contentservice.CloneTargetMode target_mode = 3
  string clone_taget = 4
  string checkout_location = 5
  contentservice.GitConfig config = 6
  bool full_clone = 7
message contentservice.GitStatus
  string branch = 1
  string latest_commit = 2
  repeated string uncommited_files = 3
  repeated string untracked_files = 4
  repeated string unpushed_commits = 5
  int64 total_uncommited_files = 6
  int64 total_untracked_files = 7
  int64 total_unpushed_commits = 8
message contentservice.PrebuildInitializer
  contentservice.SnapshotInitializer prebuild = 1
  repeated contentservice.GitInitializer git = 2
message contentservice.SnapshotInitializer
  string snapshot = 1
  bool from_volume_snapshot = 2
message contentservice.WorkspaceInitializer
  oneof spec contentservice.EmptyInitializer empty = 1
  oneof spec contentservice.GitInitializer git = 2
  oneof spec contentservice.SnapshotInitializer snapshot = 3
  oneof spec contentservice.PrebuildInitializer prebuild = 4
  oneof spec contentservice.CompositeInitializer composite = 5
  oneof spec contentservice.FileDownloadInitializer download = 6
  oneof spec contentservice.FromBackupInitializer backup = 7
`;

function scalar(type: ScalarType): string {
  return ScalarType[type].toLowerCase();
}

function typeName(type: ScalarType | DescEnum | DescMessage): string {
  return typeof type === "number" ? scalar(type) : type.typeName;
}

function fieldType(field: DescField): string {
  switch (field.fieldKind) {
    case "list":
      return `repeated ${typeName(field.scalar ?? field.message ?? field.enum!)}`;
    case "map":
      return `map<${scalar(field.mapKey)}, ${
        typeName(field.scalar ?? field.message ?? field.enum!)
      }>`;
    default:
      return typeName(field.scalar ?? field.message ?? field.enum!);
  }
}

function messageLines(message: DescMessage): string[] {
  const reserved = message.proto.reservedRange.map(({ start }) => start);
  return [
    `message ${message.typeName}`,
    ...(reserved.length > 0 ? [`  reserved ${reserved.join(" ")}`] : []),
    ...message.fields.map((field) => {
      const oneof = field.oneof ? `oneof ${field.oneof.name} ` : "";
      return `  ${oneof}${fieldType(field)} ${field.name} = ${field.number}`;
    }),
    ...message.nestedMessages.flatMap(messageLines),
  ];
}

function describe(file: DescFile): string {
  assertEquals(file.proto.syntax, "proto3");
  const byName = <D extends { typeName: string }>(some: readonly D[]) =>
    some.toSorted((a, b) => a.typeName < b.typeName ? -1 : 1);
  const lines = [
    `go_package ${file.proto.options?.goPackage}`,
    ...file.dependencies.map(({ name }) => `import ${name}`),
    ...file.services.flatMap((service) => [
      `service ${service.typeName}`,
      ...service.methods.map(({ name, input, output, methodKind }) =>
        `  ${name}(${input.typeName}) ${output.typeName} ${methodKind}`
      ),
    ]),
    ...byName(file.enums).map(({ typeName, values }) =>
      `enum ${typeName} ${values.map(({ name, number }) => `${name}=${number}`).join(" ")}`
    ),
    ...byName(file.messages).flatMap(messageLines),
  ];
  return `\n${lines.join("\n")}\n`;
}

Deno.test("daemon.proto says what the contract says", () => {
  assertEquals(describe(file_daemon), DAEMON);
});

Deno.test("initializer.proto says what the contract says", () => {
  assertEquals(describe(file_content_service_api_initializer), INITIALIZER);
});
