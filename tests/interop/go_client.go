// A client of grpc-go. Messages are made from a FileDescriptorSet, the details of errors are those of
// genproto, as a control plane in Go has them.
//
// Takes one JSON argument, prints what it saw as JSON.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

type options struct {
	Descriptors string            `json:"descriptors"`
	Target      string            `json:"target"`
	TLS         map[string]string `json:"tls"`
	Init        json.RawMessage   `json:"init"`
}

type object = map[string]interface{}

// Messages are encoded and decoded here.
type bytesCodec struct{}

func (bytesCodec) Name() string                         { return "proto" }
func (bytesCodec) Marshal(v interface{}) ([]byte, error) { return *v.(*[]byte), nil }
func (bytesCodec) Unmarshal(data []byte, v interface{}) error {
	*v.(*[]byte) = append([]byte{}, data...)
	return nil
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(path string) []byte {
	data, err := os.ReadFile(path)
	must(err)
	return data
}

type client struct {
	connection *grpc.ClientConn
	files      *protoregistry.Files
}

func (c client) message(name string) *dynamicpb.Message {
	found, err := c.files.FindDescriptorByName(protoreflect.FullName(name))
	must(err)
	return dynamicpb.NewMessage(found.(protoreflect.MessageDescriptor))
}

func (c client) call(service, method, request string, wait time.Duration) object {
	name := service[:strings.LastIndex(service, ".")+1] + method
	if method == "Check" {
		name = service[:strings.LastIndex(service, ".")+1] + "HealthCheck"
	}
	input, output := c.message(name+"Request"), c.message(name+"Response")
	must(protojson.Unmarshal([]byte(request), input))
	sent, err := proto.Marshal(input)
	must(err)
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	var answer []byte
	codec := grpc.ForceCodec(bytesCodec{})
	if err := c.connection.Invoke(ctx, "/"+service+"/"+method, &sent, &answer, codec); err != nil {
		return failure(status.Convert(err))
	}
	must(proto.Unmarshal(answer, output))
	format := protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}
	text, err := format.Marshal(output)
	must(err)
	seen := object{}
	must(json.Unmarshal(text, &seen))
	return seen
}

// What an error says, by its details.
func failure(from *status.Status) object {
	seen := object{"code": upper(from.Code()), "details": from.Message()}
	if len(from.Details()) == 0 {
		return seen
	}
	parts := object{"message": from.Proto().GetMessage()}
	for _, detail := range from.Details() {
		switch one := detail.(type) {
		case *errdetails.ErrorInfo:
			parts["error_info"] = object{"reason": one.Reason, "domain": one.Domain}
		case *errdetails.ResourceInfo:
			parts["resource_info"] = object{
				"resource_type": one.ResourceType,
				"resource_name": one.ResourceName,
			}
		case *errdetails.RetryInfo:
			parts["retry_seconds"] = one.RetryDelay.Seconds
		case *errdetails.BadRequest:
			fields := []string{}
			for _, violation := range one.FieldViolations {
				fields = append(fields, violation.Field)
			}
			parts["fields"] = fields
		default:
			must(fmt.Errorf("cannot read the detail %v", detail))
		}
	}
	seen["status"] = parts
	return seen
}

// The name of a code as gRPC's specification writes it.
func upper(code codes.Code) string {
	name := ""
	for n, letter := range code.String() {
		if n > 0 && unicode.IsUpper(letter) {
			name += "_"
		}
		name += string(unicode.ToUpper(letter))
	}
	return name
}

func connect(given options) *grpc.ClientConn {
	security := grpc.WithInsecure()
	if given.TLS != nil {
		config := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost"}
		config.RootCAs.AppendCertsFromPEM(read(given.TLS["ca"]))
		if given.TLS["cert"] != "" {
			own, err := tls.LoadX509KeyPair(given.TLS["cert"], given.TLS["key"])
			must(err)
			config.Certificates = []tls.Certificate{own}
		}
		security = grpc.WithTransportCredentials(credentials.NewTLS(config))
	}
	connection, err := grpc.Dial(given.Target, security)
	must(err)
	return connection
}

func main() {
	var given options
	must(json.Unmarshal([]byte(os.Args[1]), &given))
	set := &descriptorpb.FileDescriptorSet{}
	must(proto.Unmarshal(read(given.Descriptors), set))
	files, err := protodesc.NewFiles(set)
	must(err)
	c := client{connect(given), files}
	const service = "wsdaemon.WorkspaceContentService"
	call := func(method, request string) object {
		return c.call(service, method, request, 20*time.Second)
	}
	wait := 20 * time.Second
	if given.TLS != nil {
		wait = 3 * time.Second
	}
	seen := object{}
	probe := c.call(service, "IsWorkspaceExists", `{"id": "ws-1"}`, wait)
	if code, isRefused := probe["code"]; isRefused {
		seen["refused"] = code
	} else {
		health := `{"service": "` + service + `"}`
		seen["health"] = c.call("grpc.health.v1.Health", "Check", health, wait)
		seen["known"] = probe
		seen["unknown"] = call("IsWorkspaceExists", `{"id": "other"}`)
		seen["init"] = call("InitWorkspace", string(given.Init))
		late := c.call(service, "WaitForInit", `{"id": "ws-1"}`, 200*time.Millisecond)
		seen["wait"] = late["code"]
		seen["snapshot"] = call("TakeSnapshot", `{"id": "ws-1", "return_immediately": true}`)
		seen["backup"] = call("BackupWorkspace", `{"id": "ws-1"}`)
		seen["dispose"] = call("DisposeWorkspace", `{"id": "ws-1", "backup_logs": true}`)
		long := call("BackupWorkspace", `{"id": "long"}`)
		info := long["status"].(object)["error_info"].(object)
		seen["long"] = object{"code": long["code"], "reason": info["reason"]}
		malformed := call("TakeSnapshot", `{"id": "../x"}`)
		fields := malformed["status"].(object)["fields"]
		seen["malformed"] = object{"code": malformed["code"], "fields": fields}
	}
	must(json.NewEncoder(os.Stdout).Encode(seen))
}
