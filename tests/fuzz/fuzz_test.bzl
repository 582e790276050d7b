"""fuzz_test: a libFuzzer target whose corpus runs as an ordinary test."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_test")

def fuzz_test(name, deps):
    """Makes two targets of name.cc and the folder name_corpus.

    The test `name` runs the corpus. The binary `name_fuzzer` is libFuzzer's:
    bazel run --config=fuzz //tests/fuzz:lexer_fuzz_fuzzer -- -max_total_time=60 $PWD/tests/fuzz/lexer_fuzz_corpus

    Args:
      name: of the test.
      deps: of name.cc.
    """
    cc_test(
        name = name,
        size = "small",
        srcs = [
            "corpus_main.cc",
            name + ".cc",
        ],
        args = ["tests/fuzz/%s_corpus" % name],
        data = native.glob([name + "_corpus/*"]),
        tags = ["core"],
        deps = deps,
    )
    cc_binary(
        name = name + "_fuzzer",
        testonly = True,
        srcs = [name + ".cc"],
        linkopts = ["-fsanitize=fuzzer"],
        # Links with clang alone, and only under --config=fuzz.
        tags = ["manual"],
        deps = deps,
    )
