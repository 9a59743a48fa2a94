//! Templates as people type them, with what Go makes of them.

use super::*;
use serde_json::json;

fn data() -> Value {
    json!({
        "Id": "0123456789abcdef",
        "Names": ["one", "two"],
        "Labels": {"app": "web", "tier.x": "front"},
        "State": {"Status": "running", "Running": true, "Pid": 42, "Health": null},
        "Size": 1234,
        "Empty": [],
        "Created": time("2026-11-27T03:00:00.5Z"),
        "Never": time("0001-01-01T00:00:00Z"),
        "Nils": {"List": nil(Nil::List), "Map": nil(Nil::Map), "Pointer": nil(Nil::Pointer)},
        "Shares": [0.0, 5.0, 12.5, 0.00001234, 1e21],
        "Hostile": "a\tb\u{1b}[2Jc"
    })
}

fn render(source: &str) -> String {
    Template::parse(source).and_then(|t| t.render(&data())).unwrap_or_else(|e| format!("! {e}"))
}

#[test]
fn templates_print_what_go_prints() {
    for (source, wanted) in [
        ("plain\\ttext\\n", "plain\ttext\n"),
        ("{{.Id}}", "0123456789abcdef"),
        ("{{.ID}}", "0123456789abcdef"),
        ("{{ .State.Status }}/{{.State.Pid}}", "running/42"),
        ("{{json .Names}}", r#"["one","two"]"#),
        ("{{.Labels \"app\"}}{{.Labels \"nosuch\"}}", "web"),
        ("{{.Names}} {{.Labels}}", "[one two] map[app:web tier.x:front]"),
        ("{{range .Names}}<{{.}}>{{end}}", "<one><two>"),
        ("{{range .Empty}}x{{else}}none{{end}}", "none"),
        ("{{range $i, $n := .Names}}{{$i}}={{$n}};{{end}}", "0=one;1=two;"),
        ("{{range $k, $v := .Labels}}{{$k}}={{$v}} {{end}}", "app=web tier.x=front "),
        ("{{range .Names}}{{$.Size}} {{end}}", "1234 1234 "),
        ("{{if .State.Running}}up{{else}}down{{end}}", "up"),
        ("{{if .Empty}}a{{else if eq .Size 1}}b{{else if .Size}}c{{else}}d{{end}}", "c"),
        ("{{with .State}}{{.Pid}}{{end}}", "42"),
        ("{{with .State.Health}}x{{else}}no health{{end}}", "no health"),
        ("{{with $x := .Size}}{{$x}}{{end}}", "1234"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2"),
        ("{{$x := 1}}{{if true}}{{$x := 2}}{{end}}{{$x}}", "1"),
        ("{{index .Names 1}} {{index .Labels \"tier.x\"}}", "two front"),
        ("{{index .Labels \"missing\"}}|", "|"),
        ("{{(index .Names 0) | upper}}", "ONE"),
        ("{{len .Names}} {{len .Id}}", "2 16"),
        ("{{join .Names \", \"}}", "one, two"),
        ("{{.State.Status | upper | printf \"%-10s|\"}}", "RUNNING   |"),
        ("{{range split \"a,b\" \",\"}}[{{.}}]{{end}}", "[a][b]"),
        ("{{title \"hello big world\"}}", "Hello Big World"),
        ("{{slice .Id 0 12}}", "0123456789ab"),
        ("{{truncate .Id 4}}", "0123"),
        (
            "{{printf \"%s %d %v %q %x %t %5d|%-5d|%05d\" \"a\" 1 2 \"q\" 255 true 7 7 -7}}",
            "a 1 2 \"q\" ff true     7|7    |-0007",
        ),
        ("{{printf \"%.3s %x 100%%\" \"abcdef\" \"hi\"}}", "abc 6869 100%"),
        ("{{println \"a\" 1}}", "a 1\n"),
        ("{{print `raw\\n` \"esc\\n\" 'A'}}", "raw\\nesc\n65"),
        ("a  {{- 1 -}}  b", "a1b"),
        ("a {{/* no */}}b{{- /* no */ -}} c", "a bc"),
        ("{{and 1 0}} {{or 0 \"x\"}} {{not 0}}", "0 x true"),
        ("{{or true .Missing}}", "true"),
        (
            "{{eq .Size 1 1234}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt 1.5 1}} {{ge \"a\" \"b\"}}",
            "true true true true true false",
        ),
        ("{{-3}} {{0x10}} {{1_000}} {{1.5}}", "-3 16 1000 1.5"),
        ("{{(.State).Status}} {{$.State.Pid}}", "running 42"),
        ("{{.State.Health}}", "<no value>"),
        ("{{\"}}\"}}", "}}"),
        ("{{.Created}}", "2026-11-27 03:00:00.5 +0000 UTC"),
        (
            "{{print .Created}} {{printf \"%.10s\" .Created}}",
            "2026-11-27 03:00:00.5 +0000 UTC 2026-11-27",
        ),
        ("{{json .Created}} {{.Created.Unix}}", "\"2026-11-27T03:00:00.5Z\" 1795748400"),
        ("{{.Created.Format \"2006-01-02\"}} {{.Created.UTC.Year}}", "2026-11-27 2026"),
        (
            "{{$t := .Created}}{{$t.Format \"Jan 2\" | upper}} {{.Created.UnixNano}}",
            "NOV 27 1795748400500000000",
        ),
        ("{{with .Created}}{{.Unix}} {{.Format \"15:04\"}}{{end}}", "1795748400 03:00"),
        ("{{if .Never.IsZero}}never{{end}} {{if .Never}}yes{{end}}", "never yes"),
        (
            "{{.Nils.List}} {{.Nils.Map}} {{.Nils.Pointer}} {{print .Nils.List}}",
            "[] map[] <nil> []",
        ),
        ("{{json .Nils}}", r#"{"List":null,"Map":null,"Pointer":null}"#),
        (
            "{{range .Nils.List}}x{{else}}none{{end}} {{len .Nils.Map}}{{if .Nils.List}}x{{end}}",
            "none 0",
        ),
        ("{{join .Nils.List \",\"}}|{{index .Nils.Map \"k\"}}|{{eq .Nils.Pointer nil}}", "||true"),
        ("{{range .Shares}}{{.}} {{end}}", "0 5 12.5 1.234e-05 1e+21 "),
    ] {
        assert_eq!(render(source), wanted, "{source}");
    }
}

#[test]
fn errors_name_the_place_and_the_way_out() {
    for (source, wanted) in [
        (
            "x\n{{.Nope}}",
            "! template: 2:3: can't evaluate field Nope; known: Created Empty Hostile Id \
                          Labels Names Never Nils Shares Size State",
        ),
        ("{{.Size.X}}", "! template: 1:8: can't evaluate field X in a number"),
        ("{{.Id", "! template: 1:1: the action that starts here is not closed by }}"),
        ("{{if .Id}}", "! template: 1:1: the block that starts here has no {{end}}"),
        ("{{end}}", "! template: 1:1: {{end}} without if, with or range"),
        ("{{else}}", "! template: 1:1: {{else}} outside of if, with and range"),
        ("{{if 1}}{{else}}{{else}}{{end}}", "! template: 1:17: a second {{else}} in one block"),
        ("{{}}", "! template: 1:1: an action must hold a value: {{.Field}}"),
        ("{{.Id | }}", "! template: 1:1: a value is missing"),
        ("{{(.Id}}", "! template: 1:3: the ( here is not closed"),
        ("{{.Id)}}", "! template: 1:6: unexpected ) in an action"),
        ("{{\"abc}}", "! template: 1:3: the string that starts here is not closed"),
        ("{{$x}}", "! template: 1:3: undefined variable $x"),
        ("{{.Id 1}}", "! template: 1:3: can't give an argument to what is not a function"),
        (
            "{{join \",\" .Names}}",
            "! template: 1:3: join: wants a list and a string, not a string, a list",
        ),
        ("{{lt 1 \"a\"}}", "! template: 1:3: lt: a number and a string cannot be compared"),
        ("{{index .Names 5}}", "! template: 1:3: index: 5 is out of range, there are 2"),
        ("{{range .Size}}{{end}}", "! template: 1:9: range can't iterate over a number"),
        ("{{printf \"%99999d\" 1}}", "! template: 1:3: printf: a width above 4096"),
        ("{{ü | é}}", ""),
        ("{{.Created.Format}}", "! template: 1:11: Format wants a layout: .Format \"2006-01-02\""),
        ("{{.Created.Unix 1}}", "! template: 1:11: Unix takes no argument"),
        ("{{.Created.Format 1}}", "! template: 1:11: Format wants a string, not a number"),
        ("{{.Created.Nope}}", ""),
        ("{{len .Created}}", "! template: 1:3: len: wants one value, not a time"),
        ("{{range .Created}}{{end}}", "! template: 1:9: range can't iterate over a time"),
        ("{{lt .Created .Never}}", "! template: 1:3: lt: a time and a time cannot be compared"),
        ("{{.Nils.Pointer.X}}", "! template: 1:16: can't evaluate field X in null"),
    ] {
        let got = render(source);
        assert!(got.starts_with("! template: "), "{source}: {got}");
        assert!(wanted.is_empty() || got == wanted, "{source}: {got}");
    }
    assert!(render("{{foo .}}").contains("function \"foo\" not defined; known are: and or"));
}

#[test]
fn nesting_is_bounded() {
    let deep = "{{if 1}}".repeat(100_000);
    assert!(render(&deep).contains("nest deeper"));
    let deep = format!("{{{{{}1}}}}", "(".repeat(100_000));
    assert!(render(&deep).contains("nest deeper"));
    let chain = format!("{{{{if 0}}}}{}{{{{end}}}}", "{{else if 0}}".repeat(100_000));
    assert!(render(&chain).contains("nest deeper"));
}

#[test]
fn cells_cannot_break_their_table() {
    let template = Template::parse("{{.Hostile}}").unwrap();
    let cell = template.render_values(&data(), Values::Cells).unwrap();
    assert_eq!(cell, "a\\tb\\x1b[2Jc");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(source in "[{}.$a-z0-9\"'`|() :=,\\\\é\n-]{0,60}") {
        render(&source);
    }
}
