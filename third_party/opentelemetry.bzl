"""opentelemetry-cpp is used where it is installed (Debian 12 has it among its backports), and not missed where it is not."""

def _opentelemetry_impl(ctx):
    found = ctx.path("/usr/include/opentelemetry/exporters/otlp/otlp_grpc_exporter_factory.h").exists
    found = found and ctx.os.environ.get("SLUICE_OTLP") != "off"
    ctx.file("found.bzl", "OTLP = %s\n" % found)
    ctx.file("BUILD.bazel", """
load("@rules_cc//cc:defs.bzl", "cc_library")

cc_library(
    name = "otlp",
    linkopts = [
        "-lopentelemetry_exporter_otlp_grpc",
        "-lopentelemetry_exporter_otlp_grpc_client",
        "-lopentelemetry_otlp_recordable",
        "-lopentelemetry_proto_grpc",
        "-lopentelemetry_proto",
        "-lopentelemetry_trace",
        "-lopentelemetry_resources",
        "-lopentelemetry_common",
    ],
    visibility = ["//visibility:public"],
)
""")

opentelemetry = repository_rule(
    implementation = _opentelemetry_impl,
    local = True,
    configure = True,
    environ = ["SLUICE_OTLP"],
)
