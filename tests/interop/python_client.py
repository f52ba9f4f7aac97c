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
        return {"code": error.code().name, "details": error.details()}
    return json_format.MessageToDict(
        answer, including_default_value_fields=True, preserving_proto_field_name=True
    )


def main():
    probe = call("IsWorkspaceExists", {"id": "ws-1"}, 3 if options.get("tls") else 20)
    if "code" in probe:
        return {"refused": probe["code"]}
    name = "wsdaemon.WorkspaceContentService"
    return {
        "health": call("Check", {"service": name}, service="grpc.health.v1.Health"),
        "known": probe,
        "unknown": call("IsWorkspaceExists", {"id": "other"}),
        "init": call("InitWorkspace", options["init"]),
        "wait": call("WaitForInit", {"id": "ws-1"}, 0.2)["code"],
        "snapshot": call("TakeSnapshot", {"id": "ws-1", "return_immediately": True}),
        "backup": call("BackupWorkspace", {"id": "ws-1"}),
        "dispose": call("DisposeWorkspace", {"id": "ws-1", "backup_logs": True}),
        "malformed": call("TakeSnapshot", {"id": "../x"})["code"],
    }


print(json.dumps(main()))
