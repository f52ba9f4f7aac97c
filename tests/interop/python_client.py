"""A client of gRPC's C core, with message classes made from a FileDescriptorSet.

Takes one JSON argument, prints what it saw as JSON.
"""

import json
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

options = json.loads(sys.argv[1])

pool = descriptor_pool.DescriptorPool()
with open(options["descriptors"], "rb") as file:
    for description in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file:
        pool.Add(description)


def message_class(name):
    descriptor = pool.FindMessageTypeByName(name)
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)


def pem(name):
    path = options["tls"].get(name)
    if path is None:
        return None
    with open(path, "rb") as file:
        return file.read()


def connect():
    if options.get("tls") is None:
        return grpc.insecure_channel(options["target"])
    credentials = grpc.ssl_channel_credentials(pem("ca"), pem("key"), pem("cert"))
    override = [("grpc.ssl_target_name_override", "localhost")]
    return grpc.secure_channel(options["target"], credentials, override)


channel = connect()


def call(method, request, seconds=20, service="wsdaemon.WorkspaceContentService"):
    package = service.rpartition(".")[0]
    message = {"Check": "HealthCheck"}.get(method, method)
    request_class = message_class(f"{package}.{message}Request")
    response_class = message_class(f"{package}.{message}Response")
    stub = channel.unary_unary(
        f"/{service}/{method}",
        request_serializer=request_class.SerializeToString,
        response_deserializer=response_class.FromString,
    )
    try:
        answer = stub(json_format.ParseDict(request, request_class()), timeout=seconds)
    except grpc.RpcError as error:
        status = status_of(error)
        return {
            "code": error.code().name,
            "details": error.details(),
            **({} if status is None else {"status": status}),
        }
    return json_format.MessageToDict(
        answer, including_default_value_fields=True, preserving_proto_field_name=True
    )


def status_of(error):
    """What google.rpc.Status in the trailers says, by buf's description of the messages."""
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        status = message_class("google.rpc.Status").FromString(value)
        assert status.code == error.code().value[0], status
        seen = {"message": status.message}
        for part in status.details:
            name = part.TypeName()
            detail = message_class(name)()
            assert part.Unpack(detail)
            if name == "google.rpc.RetryInfo":
                seen["retry_seconds"] = detail.retry_delay.seconds
            elif name == "google.rpc.BadRequest":
                seen["fields"] = [one.field for one in detail.field_violations]
            else:
                short = {"ErrorInfo": "error_info", "ResourceInfo": "resource_info"}
                seen[short[name.split(".")[-1]]] = json_format.MessageToDict(
                    detail, preserving_proto_field_name=True
                )
        return seen
    return None


def main():
    probe = call("IsWorkspaceExists", {"id": "ws-1"}, 3 if options.get("tls") else 20)
    if "code" in probe:
        return {"refused": probe["code"]}
    name = "wsdaemon.WorkspaceContentService"
    long = call("BackupWorkspace", {"id": "long"})
    malformed = call("TakeSnapshot", {"id": "../x"})
    return {
        "health": call("Check", {"service": name}, service="grpc.health.v1.Health"),
        "known": probe,
        "unknown": call("IsWorkspaceExists", {"id": "other"}),
        "init": call("InitWorkspace", options["init"]),
        "wait": call("WaitForInit", {"id": "ws-1"}, 0.2)["code"],
        "snapshot": call("TakeSnapshot", {"id": "ws-1", "return_immediately": True}),
        "backup": call("BackupWorkspace", {"id": "ws-1"}),
        "dispose": call("DisposeWorkspace", {"id": "ws-1", "backup_logs": True}),
        "long": {"code": long["code"], "reason": long["status"]["error_info"]["reason"]},
        "malformed": {"code": malformed["code"], "fields": malformed["status"]["fields"]},
    }


print(json.dumps(main()))
