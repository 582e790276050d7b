"""A client that nobody here wrote: Debian's python3-grpcio, with stubs made by protoc, calls
Execute and Health, and finds its way through server reflection."""

import os
import sys
import unittest

TARGET = os.environ["SLUICE_TARGET"]
STUBS = os.environ["STUBS"]

sys.path.insert(0, STUBS)

import grpc  # noqa: E402
from google.protobuf import descriptor_pb2  # noqa: E402
from google.rpc import error_details_pb2, status_pb2  # noqa: E402
import health_pb2  # noqa: E402
import health_pb2_grpc  # noqa: E402
import reflection_pb2  # noqa: E402
import reflection_pb2_grpc  # noqa: E402
from sluice.v1 import database_pb2, database_pb2_grpc, value_pb2  # noqa: E402


def rows_of(result):
    """Rows as tuples, the way the documentation shows it: zip(*columns)."""
    fields = {
        value_pb2.COLUMN_KIND_BOOL: "bools",
        value_pb2.COLUMN_KIND_INT32: "int32s",
        value_pb2.COLUMN_KIND_INT64: "int64s",
        value_pb2.COLUMN_KIND_DOUBLE: "doubles",
        value_pb2.COLUMN_KIND_BYTES: "blobs",
        value_pb2.COLUMN_KIND_TIMESTAMP: "int64s",
        value_pb2.COLUMN_KIND_TIMESTAMPTZ: "int64s",
    }
    columns = []
    for column, data in zip(result.columns, result.rows.columns):
        values = list(getattr(data, fields.get(column.kind, "texts")))
        nulls = data.nulls or [False] * len(values)
        columns.append([None if null else value for value, null in zip(values, nulls)])
    return list(zip(*columns))


class GenericClientTest(unittest.TestCase):
    def setUp(self):
        self.channel = grpc.insecure_channel(TARGET)
        self.addCleanup(self.channel.close)

    def test_execute_gives_typed_rows(self):
        stub = database_pb2_grpc.DatabaseStub(self.channel)
        statement = value_pb2.Statement(
            sql="SELECT i, $1 || i, NULLIF(i, 2) FROM generate_series(1, $2) i",
            params=[value_pb2.Value(text_value="n"), value_pb2.Value(int32_value=3)],
        )
        reply = stub.Execute(database_pb2.ExecuteRequest(statement=statement), timeout=20)
        self.assertEqual(rows_of(reply.result), [(1, "n1", 1), (2, "n2", None), (3, "n3", 3)])

    def test_an_error_carries_its_details(self):
        stub = database_pb2_grpc.DatabaseStub(self.channel)
        with self.assertRaises(grpc.RpcError) as raised:
            stub.Execute(database_pb2.ExecuteRequest(statement=value_pb2.Statement(sql="SELECT 1/0")), timeout=20)
        error = raised.exception
        self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
        trailers = dict(error.trailing_metadata())
        status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
        info = error_details_pb2.ErrorInfo()
        self.assertTrue(any(detail.Unpack(info) for detail in status.details))
        self.assertEqual(info.reason, "DIVISION_BY_ZERO")
        self.assertEqual(info.metadata["outcome"], "ROLLED_BACK")

    def test_health_can_be_checked_and_watched(self):
        stub = health_pb2_grpc.HealthStub(self.channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service="sluice.v1.Database"), timeout=60)
        for update in watch:
            if update.status == health_pb2.HealthCheckResponse.SERVING:
                break
        watch.cancel()
        for service in ["", "liveness", "database/default"]:
            reply = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=20)
            self.assertEqual(reply.status, health_pb2.HealthCheckResponse.SERVING, service)

    def test_reflection_lists_and_describes_everything(self):
        stub = reflection_pb2_grpc.ServerReflectionStub(self.channel)

        def ask(**question):
            request = reflection_pb2.ServerReflectionRequest(**question)
            return next(iter(stub.ServerReflectionInfo(iter([request]), timeout=20)))

        names = {service.name for service in ask(list_services="").list_services_response.service}
        self.assertLessEqual({"sluice.v1.Database", "grpc.health.v1.Health"}, names)
        for service in names:
            answer = ask(file_containing_symbol=service)
            self.assertFalse(answer.HasField("error_response"), service)
            files = [descriptor_pb2.FileDescriptorProto.FromString(raw)
                     for raw in answer.file_descriptor_response.file_descriptor_proto]
            self.assertTrue(any(service.endswith("." + s.name) for file in files for s in file.service), service)


if __name__ == "__main__":
    unittest.main()
