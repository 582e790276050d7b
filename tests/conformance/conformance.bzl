"""conformance_test: a test of a promise, through the public client, on real servers."""

load("@rules_cc//cc:defs.bzl", "cc_test")

def conformance_test(name, deps = [], alone_too = False, **kwargs):
    """A cc_test on PostgreSQL, PgBouncer and sluiced.

    Args:
      name: of the test; its source is name.cc.
      deps: besides the fixture's.
      alone_too: adds a second test, name_alone, of the same promises with a gateway that sends
        every call in a flight of its own.
      **kwargs: passed to the cc_test.
    """
    size = kwargs.pop("size", "medium")
    variants = {name: {}}
    if alone_too:
        variants[name + "_alone"] = {"SLUICE_FLIGHT_STATEMENTS_MAX": "1"}
    for variant, env in variants.items():
        cc_test(
            name = variant,
            srcs = [name + ".cc"],
            deps = deps + [
                "//tests/conformance:fixture",
                "//third_party:gtest_main",
            ],
            env = env,
            size = size,
            **kwargs
        )
