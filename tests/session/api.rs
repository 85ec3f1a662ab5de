//! What programs read: rows as Arrow, two settings side by side, metrics.

use std::path::Path;

use serde_json::json;
use tests::python::python_with;
use tests::resident::Resident;

use crate::desk;

#[test]
fn a_notebook_reads_rows_as_arrow() {
    let desk = desk();
    let session = Resident::start(&desk, "");
    session.apply();
    let (status, bytes) = session.get_bytes("/api/rows?which=all");
    assert_eq!(status, 200);
    let path = desk.path("rows.arrow");
    std::fs::write(&path, &bytes).unwrap();
    let script = "import sys, json, pyarrow.ipc as ipc\n\
                  table = ipc.open_stream(sys.argv[1]).read_all()\n\
                  rows = table.to_pylist()\n\
                  kept = [r for r in rows if r['verdict'] == 'kept']\n\
                  print(json.dumps({'rows': len(rows), 'kept': len(kept), 'names': table.schema.names,\n\
                    'scores': sum(r['boxes'] is not None for r in rows) if 'boxes' in table.schema.names else None,\n\
                    'keys': len({(r['shard'], r['key']) for r in kept}),\n\
                    'gated': all((r['dial'] is not None) == (r['verdict'] == 'gated') for r in rows)}))";
    let Some(read) = read_by("pyarrow", script, &path) else { return };
    let read: serde_json::Value = serde_json::from_str(&read).unwrap();
    let state = session.get("/api/state");
    assert_eq!((&read["rows"], &read["kept"]), (&state["rows"], &state["kept"]), "{read}");
    assert_eq!(read["keys"], state["kept"], "{read}");
    assert_eq!(read["gated"], true, "{read}");
    let names = read["names"].as_array().unwrap();
    for name in ["id", "shard", "key", "verdict", "published", "short_side"] {
        assert!(names.contains(&json!(name)), "{name} is none of {names:?}");
    }
    assert_eq!(session.try_get("/api/rows?which=some").0, 400);
}

#[test]
fn two_settings_are_compared_and_the_dials_go_back() {
    let desk = desk();
    let session = Resident::start(&desk, "");
    session.apply();
    let before = session.get("/api/state");
    let compared = session.get("/api/compare?a=short_side%3D14&b=now");
    let kept = session.turn("short_side", "14")["kept"].clone();
    session.post("/api/undo", &json!({}));
    assert_eq!((&compared["a"]["kept"], &compared["b"]["kept"]), (&kept, &before["kept"]), "{compared}");
    let more = before["kept"].as_u64().unwrap() - kept.as_u64().unwrap();
    assert_eq!((&compared["only_a"]["count"], &compared["only_b"]["count"]), (&json!(0), &json!(more)));
    assert!(more > 0 && !compared["only_b"]["rows"].as_array().unwrap().is_empty());
    let after = session.get("/api/state");
    assert_eq!(
        (&after["flags"], &after["kept"], &after["undo"]),
        (&before["flags"], &before["kept"], &before["undo"])
    );
    assert_eq!(session.try_get("/api/compare?a=&b=now").0, 409, "nothing is published");
    assert_eq!(session.try_get("/api/compare?a=nothing%3D1&b=now").0, 400);
    assert_eq!(session.get("/api/state")["flags"], before["flags"]);
}

#[test]
fn metrics_are_what_prometheus_reads_and_can_be_left_out() {
    let desk = desk();
    let session = Resident::start(&desk, "");
    let asks = session.apply();
    let (status, text) = session.get_bytes("/metrics");
    let text = String::from_utf8(text).unwrap();
    assert_eq!(status, 200);
    for line in text.lines() {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(
            line.starts_with("# ") || (name.starts_with("threshflow_") && value.parse::<f64>().is_ok()),
            "{line}"
        );
    }
    let kept = format!("threshflow_rows{{verdict=\"kept\"}} {}\n", asks["kept"]);
    assert!(text.contains(&kept), "{kept} is not in {text}");
    let script = "import sys\nfrom prometheus_client.parser import text_string_to_metric_families as parse\n\
                  families = list(parse(open(sys.argv[1]).read()))\n\
                  print(len(families), sum(len(f.samples) for f in families), all(f.documentation for f in families))";
    let path = desk.path("metrics.txt");
    std::fs::write(&path, &text).unwrap();
    if let Some(read) = read_by("prometheus_client", script, &path) {
        let families = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
        assert!(read.starts_with(&format!("{families} ")) && read.trim().ends_with("True"), "{read}: {text}");
    }
    assert_eq!(session.get_bytes("/healthz").1, b"ok\n");
    let other = crate::desk();
    let session = Resident::start(&other, "--no-metrics");
    assert_eq!(session.try_get("/metrics").0, 404);
}

/// What a script of Python says of a file; `None` where Python lacks the module.
fn read_by(module: &str, script: &str, path: &Path) -> Option<String> {
    let output = python_with(&[module])?.args(["-c", script]).arg(path).output().expect("python3 starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("is UTF-8"))
}
