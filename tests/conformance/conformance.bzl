"""conformance_test: a test of a promise, through the public client, on real servers."""

load("@rules_cc//cc:defs.bzl", "cc_test")

def conformance_test(name, deps = [], **kwargs):
    """A cc_test on PostgreSQL, PgBouncer and sluiced.

    Args:
      name: of the test; its source is name.cc.
      deps: besides the fixture's.
      **kwargs: passed to the cc_test.
    """
    cc_test(
        name = name,
        srcs = [name + ".cc"],
        deps = deps + [
            "//tests/conformance:fixture",
            "//third_party:gtest_main",
        ],
        size = kwargs.pop("size", "medium"),
        **kwargs
    )
