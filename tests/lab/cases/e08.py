"""e8: what its claims must refuse, and how its exercise may be done wrong."""

GOOD = {
    "one_us": 7.8,
    "one_ping_voluntary": 0.43,
    "one_ping_involuntary": 0.57,
    "one_echo_voluntary": 0.69,
    "one_echo_involuntary": 0.31,
    "two_us": 67.0,
    "two_ping_voluntary": 1.0,
    "two_ping_involuntary": 0.0,
    "two_echo_voluntary": 1.0,
    "two_echo_involuntary": 0.0,
    "core_times": 8.6,
    "share_0": 69.1,
    "share_5": 22.5,
    "share_10": 7.4,
    "share_19": 1.0,
    "times_0": 1.0,
    "times_5": 3.1,
    "times_10": 9.3,
    "times_19": 69.1,
    "spin_voluntary": 0.0,
    "spin_involuntary": 98.3,
}
BAD = {
    "waits_once": {"two_echo_voluntary": 3.0},
    "takes_turns": {"one_ping_voluntary": 2.4},
    "loop_is_interrupted": {"spin_voluntary": 98.3},
    "one_core_faster": {"core_times": 0.9},
    "nice_5": {"times_5": 1.0},
    "nice_10": {"times_10": 15.0},
    "nice_19": {"times_19": 20.0},
    "nobody_starves": {"share_19": 0.0},
}
WRONG = {
    "shares": ("1.25**-nice", "1.25**nice"),
    "waits": ('int(found["voluntary_ctxt_switches"])', "0"),
    "computes": ('int(found["nonvoluntary_ctxt_switches"])', "0"),
    "seconds": ("int(third_and_more[11]) + int(third_and_more[12])", "int(third_and_more[11])"),
    "name": ('rpartition(")")', 'partition(")")'),
}
