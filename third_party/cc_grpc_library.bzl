"""cc_grpc_library: the C++ stubs of the services in a proto_library."""

load("@rules_cc//cc:defs.bzl", "cc_library")

def _grpc_sources_impl(ctx):
    proto = ctx.attr.proto[ProtoInfo]

    # Sources may lie under a virtual import directory (strip_import_prefix): the
    # stubs go where their #include lines, which follow the import path, find them.
    out = "/".join([part for part in [ctx.bin_dir.path, ctx.label.workspace_root, ctx.label.package, "_grpc"] if part])
    outputs = []
    import_paths = []
    for source in proto.direct_sources:
        import_path = source.path[len(proto.proto_source_root) + 1:]
        import_paths.append(import_path)
        for ending in [".grpc.pb.h", ".grpc.pb.cc"]:
            outputs.append(ctx.actions.declare_file("_grpc/" + import_path[:-len(".proto")] + ending))

    args = ctx.actions.args()
    args.add("--plugin=protoc-gen-grpc=" + ctx.executable._plugin.path)
    args.add("--grpc_out=" + out)
    args.add_all(proto.transitive_proto_path, format_each = "-I%s")
    args.add_all(import_paths)
    ctx.actions.run(
        executable = ctx.executable._protoc,
        arguments = [args],
        inputs = proto.transitive_sources,
        tools = [ctx.executable._plugin],
        outputs = outputs,
        mnemonic = "GrpcStubs",
        progress_message = "Generating gRPC stubs of %s" % ctx.label,
    )
    return [DefaultInfo(files = depset(outputs))]

_grpc_sources = rule(
    implementation = _grpc_sources_impl,
    attrs = {
        "proto": attr.label(providers = [ProtoInfo], mandatory = True),
        "_protoc": attr.label(
            default = "@com_google_protobuf//:protoc",
            executable = True,
            cfg = "exec",
        ),
        "_plugin": attr.label(
            default = "@com_github_grpc_grpc//:grpc_cpp_plugin",
            executable = True,
            cfg = "exec",
        ),
    },
)

def cc_grpc_library(name, proto, deps, **kwargs):
    """C++ client stubs and service bases.

    Args:
      name: of the cc_library.
      proto: the proto_library whose services are wanted.
      deps: the cc_proto_library of the same messages.
      **kwargs: passed to the cc_library.
    """
    _grpc_sources(name = "_%s_sources" % name, proto = proto)
    cc_library(
        name = name,
        srcs = [":_%s_sources" % name],
        hdrs = [":_%s_sources" % name],
        includes = ["_grpc"],
        deps = deps + ["@com_github_grpc_grpc//:grpc++"],
        **kwargs
    )
