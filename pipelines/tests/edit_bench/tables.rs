//! Tables, comparisons and their pages, by the program itself.

use std::fs;

use serde_json::Value;
use tests::program::{Ended, ended};

use crate::desk::{Desk, Judge};

const EVERY: usize = 40;

/// Runs a subcommand in the desk's folder.
fn told(desk: &Desk, line: &str) -> Ended {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    ended(&mut desk.program(&words))
}

/// Two models, of which the second made what the first did for every other item.
fn two_models() -> (Desk, Judge) {
    let (desk, judge) = (Desk::of(EVERY), Judge::fair());
    desk.write_results("first", EVERY, |number| 100 + number as u32);
    desk.write_results("second", EVERY, |number| if number % 2 == 0 { 100 } else { 300 } + number as u32);
    desk.run(&judge, "--results @first");
    desk.run(&judge, "--results @second");
    (desk, judge)
}

#[test]
fn a_table_is_the_same_bytes_each_time_and_its_days_are_those_of_the_answers() {
    let (desk, _judge) = two_models();
    let n = Desk::items(EVERY).len();
    for format in ["markdown", "csv", "json"] {
        let line = format!("table bench --format {format}");
        let [one, other] = [told(&desk, &line), told(&desk, &line)].map(|told| told.expect(0, &[]).stdout);
        assert_eq!(one, other, "{format}");
        assert!(one.contains("first") && one.contains("second"), "{one}");
    }
    // The day of an answer is written down with it, and told from there.
    let path = desk.path("bench/imgedit-basic/first");
    let run = pipelines::edit_bench_stages::bench::load(&path).expect("is read");
    let [day, last] = run.days.expect("a server answered");
    assert_eq!(day, last);
    let json: Value = serde_json::from_str(&told(&desk, "table bench --format json").stdout).expect("JSON");
    let table = &json["tables"][0];
    assert_eq!(
        (table["made"]["date"].as_str(), table["made"]["judge"].as_str()),
        (Some(&*day), Some("critic"))
    );
    assert_eq!(table["made"]["rubric"], "prompts.json");
    assert_eq!(table["table"]["all"]["row"]["n"], n);
    assert_eq!(json["warnings"], Value::Array(Vec::new()));
    // Upstream's files are there.
    let typescore = fs::read_to_string(path.join("typescore.json")).expect("is written");
    let types: Value = serde_json::from_str(&typescore).expect("JSON");
    assert_eq!(types.as_object().map(|types| types.len()), Some(9));
    let result = fs::read_to_string(path.join("result.json")).expect("is written");
    assert_eq!(serde_json::from_str::<Value>(&result).expect("JSON").as_object().map(|it| it.len()), Some(n));
}

#[test]
fn tables_over_other_items_or_rubrics_are_warned_of() {
    let (desk, judge) = two_models();
    let path = desk.path("items/basic_edit.json");
    let mut file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    for key in ["style0", "add1"] {
        file[key]["prompt"] = "Something else.".into();
    }
    fs::write(&path, file.to_string()).unwrap();
    desk.write_rubrics("prompts.json", |_| "Judge.".to_owned());
    desk.run(&judge, "--results @second");
    let table = told(&desk, "table bench").expect(0, &[]).stdout;
    let warnings: Vec<&str> = table.lines().filter(|line| line.contains("Warning")).collect();
    assert!(warnings.iter().any(|warning| warning.contains("2 have another prompt")), "{table}");
    assert!(warnings.iter().any(|warning| warning.contains("rubric")), "{table}");
    let compared = told(&desk, "compare bench first second").expect(0, &[]).stdout;
    assert!(compared.contains("2 have another prompt"), "{compared}");
}

#[test]
fn two_models_are_compared_item_by_item_and_shown_side_by_side() {
    let (desk, judge) = two_models();
    let n = Desk::items(EVERY).len();
    let json =
        told(&desk, "compare bench first second --json --page page/compared.html").expect(0, &["written"]);
    let compared: Value = serde_json::from_str(&json.stdout).expect("JSON");
    let all = &compared["comparison"]["all"];
    assert_eq!(all["n"], n);
    // What both made alike was judged once, and is the same.
    assert!(all["same"].as_u64() >= Some(n as u64 / 2), "{all}");
    let page = fs::read_to_string(desk.path("page/compared.html")).unwrap();
    assert_eq!(page.matches("<article").count(), n);
    told(&desk, "compare bench first nobody").expect(2, &["there is no run nobody; there are first, second"]);
    told(&desk, "compare nowhere first second").expect(2, &["there is no folder nowhere"]);
    told(&desk, "table items").expect(2, &["holds no run of a benchmark"]);
    told(&desk, "table bench --benchmark gedit").expect(2, &["holds no run of gedit", "imgedit-basic"]);
    drop(judge);
}

#[test]
fn the_page_asks_for_nothing_and_no_text_becomes_code() {
    let (desk, judge) = (
        Desk::of(EVERY),
        Judge::of(|_, _| crate::desk::said("<img src=x onerror=alert(1)> </script> no scores")),
    );
    let path = desk.path("items/basic_edit.json");
    let text = fs::read_to_string(&path)
        .unwrap()
        .replace("Please style thing 0.", "<script>alert('&')</script> \\\" onload=1");
    fs::write(&path, text).unwrap();
    desk.write_results("mine", EVERY, |number| 100 + number as u32);
    desk.run(&judge, "--results @mine");
    told(&desk, "table bench --page page.html").expect(0, &[]);
    let page = fs::read_to_string(desk.path("page.html")).unwrap();
    let outside = ["http:", "https:", "src=\"//", "url(", "@import", "<link", "<iframe"];
    for address in outside {
        assert!(!page.contains(address), "{address} is on the page");
    }
    assert_eq!(page.matches("<script>").count(), 1, "the page's own");
    assert_eq!(page.matches("</script>").count(), 1);
    assert!(page.contains("&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt; &quot; onload=1"));
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;"));
    // Every item with its pictures, and what could not be read is marked.
    let n = Desk::items(EVERY).len();
    assert_eq!(page.matches("<article").count(), n);
    assert_eq!(page.matches("data-flags=\"unread\"").count(), n);
    assert!(page.matches("src=\"data:image/jpeg;base64,").count() >= 2 * n);
}
