//! The behaviours that scripts depend on: each row of the project's table of them is a test here,
//! named after the row, or is named here where the test is. [`ROWS`] is the list; a test asks that
//! each test in it exists.

mod codes;
mod keys;
mod lists;
mod lives;
mod payload;
mod shown;

/// Row → the tests that hold its rule.
const ROWS: &[(&str, &[&str])] = &[
    ("Exit 125 / 126 / 127", &["rules::codes::exit_125_126_127"]),
    (
        "Exit = payload code; signals 128+n",
        &["rules::codes::exit_is_the_payloads_and_signals_are_128_more"],
    ),
    (
        "rm, exists, inspect of what is not there",
        &["rules::codes::rm_exists_and_inspect_of_what_is_not_there"],
    ),
    ("--timeout kills with exit 255", &["rules::codes::timeout_gives_255"]),
    (
        "wait prints one code a line",
        &["rules::codes::wait_prints_one_code_a_line_in_the_order_of_its_arguments"],
    ),
    (
        "--format",
        &[
            "rules::lists::format_is_gos_templates_table_and_json",
            "rules::shown::the_template_json_is_the_word_json",
            "rules::shown::lists_and_maps_stay_what_they_are_in_templates",
            "rules::shown::times_and_nils_in_templates_are_gos",
        ],
    ),
    ("ps JSON keys", &["rules::lists::ps_json_keys", "rules::keys::keys_and_types_are_podmans"]),
    ("inspect keys", &["rules::lists::inspect_keys", "rules::keys::keys_and_types_are_podmans"]),
    (
        "--filter",
        &[
            "rules::lists::filters_of_one_key_are_alternatives_and_labels_are_not",
            "rules::shown::names_are_filtered_by_regular_expressions",
        ],
    ),
    ("States", &["rules::lists::states_have_podmans_words"]),
    (
        "--rm and -d",
        &[
            "rules::lives::rm_with_detach_is_the_supervisors_work",
            "run::volumes::anonymous_volumes_go_with_their_container",
        ],
    ),
    ("--replace", &["rules::lives::replace_removes_the_namesake_and_never_fails_without_one"]),
    ("--cidfile", &["rules::lives::cidfile_is_64_digits_and_goes_with_the_container"]),
    ("--pull newer", &["rules::lives::pull_newer_compares_digests_and_bears_errors"]),
    (
        "--userns=keep-id",
        &[
            "rules::lives::keep_id_overrides_the_images_user",
            "run::userns::keep_id_gives_the_user_any_id",
        ],
    ),
    (
        "--restart",
        &[
            "rules::lives::restart_is_not_for_what_was_stopped_or_killed_by_hand",
            "supervise::restarts::always_waits_longer_and_longer",
        ],
    ),
    (
        "--sdnotify",
        &[
            "supervise::units::sdnotify_conmon_says_at_the_start_who_the_supervisor_is",
            "supervise::units::sdnotify_container_passes_on_what_the_payload_says",
            "supervise::units::sdnotify_healthy_waits_for_the_first_success",
        ],
    ),
    ("-d", &["rules::codes::detached_prints_the_id_once_the_payload_runs"]),
    (
        "attach, detach",
        &[
            "rules::codes::detach_keys_and_sig_proxy",
            "rules::codes::detach_keys_can_be_others_or_none",
            "rules::codes::an_exec_is_left_by_its_keys",
            "run::terminal::detaching_leaves_it_running",
        ],
    ),
    (
        "Log drivers",
        &[
            "rules::payload::log_lines_are_those_of_k8s_file",
            "supervise::logs::a_log_has_a_limit",
            "supervise::log_drivers::passthrough_gives_the_callers_streams_and_nothing_else",
            "supervise::log_drivers::passthrough_is_kept_for_restarts_and_new_at_each_start",
            "supervise::log_drivers::passthrough_is_not_for_terminals_but_passthrough_tty_is",
            "supervise::log_drivers::lines_are_entries_of_the_journal",
            "supervise::log_drivers::logs_reads_the_journal",
        ],
    ),
    (
        "Events",
        &[
            "rules::lists::events_have_their_types_and_the_exit_code_and_the_oom_killer_on_died",
            "supervise::events::the_life_of_a_container",
            "supervise::events::what_happens_to_images_volumes_and_the_system",
            "supervise::events::a_stream_ends_when_its_span_is_over",
        ],
    ),
    ("Default ulimits", &["rules::payload::ulimits_are_clamped_to_the_callers"]),
    ("Masked and read-only paths", &["rules::payload::paths_are_masked_and_read_only"]),
    ("Default caps", &["rules::payload::capabilities_are_eleven"]),
    (
        "Default seccomp",
        &["rules::payload::the_filter_lets_sandboxes_nest", "run::sandbox::bubblewrap_runs_within"],
    ),
    (
        "Default network rootless",
        &[
            "rules::payload::the_network_is_pastas",
            "run::network::the_hosts_loopback_is_out_of_reach",
            "run::ports::the_source_address_is_kept",
        ],
    ),
    (
        "--publish, port",
        &[
            "run::ports::a_published_port_leads_into_the_container",
            "run::ports::published_ports_are_shown_as_podman_shows_them",
            "run::ports::port_tells_where_a_port_leads_from",
            "run::ports::two_containers_want_one_port",
            "run::ports::without_a_network_of_its_own_nothing_is_published",
        ],
    ),
    ("pids limit", &["rules::payload::pids_are_limited_to_2048_or_as_asked"]),
    ("State after reboot", &["rules::lives::after_a_reboot_nothing_runs"]),
    ("Env leaks", &["rules::payload::the_environment_is_not_the_callers"]),
];

#[test]
fn each_row_has_its_test() {
    let program = std::env::current_exe().unwrap();
    let list = crate::harness::run(program.to_str().unwrap(), &["--list", "--format", "terse"]);
    for (row, tests) in ROWS {
        assert!(!tests.is_empty(), "{row}");
        for test in *tests {
            let there = list.lines().any(|line| line == format!("{test}: test"));
            assert!(there, "{row}: {test} is no test");
        }
    }
}
