//! A judge beside people.

use super::*;

fn judge(model: &str, scores: &[(&str, &str, f64)]) -> Vec<Graded> {
    let one = |(key, kind, score): &(&str, &str, f64)| Graded {
        model: model.into(),
        key: (*key).into(),
        kind: (*kind).into(),
        score: *score,
    };
    scores.iter().map(one).collect()
}

#[test]
fn people_are_averaged_by_item_and_told_apart_by_model() {
    let people = People::read("\u{feff}Key;Model;Score\n1;m;4\n1;m;5\n\"2\";m;1\n1;n;2.5\n").expect("read");
    assert_eq!((people.rows, people.graded.len()), (4, 3));
    assert_eq!(people.graded[0].score, 4.5);
    let said = [
        ("key\n1\n", "no column \"score\""),
        ("key,score\n1,five\n", "line 2: \"five\""),
        ("key,score\n,5\n", "line 2 has no key"),
        ("key,score\n1,2,3\n", "line 2 has 3 cells"),
        ("", "is empty"),
        ("key,score\n1,NaN\n", "\"NaN\" is no number"),
        ("key,score,type\n1,2,add\n1,3,style\n", "line 3"),
        ("key,score,key\n1,2,3\n", "twice"),
    ];
    for (text, why) in said {
        let told = People::read(text).expect_err(text).to_string();
        assert!(told.contains(why), "{text:?}: {told}");
    }
}

#[test]
fn agreement_is_by_type_and_counts_what_only_one_side_has() {
    let of_judge = judge(
        "m",
        &[
            ("1", "add", 5.0),
            ("2", "add", 3.0),
            ("3", "add", 1.0),
            ("4", "style", 2.0),
            ("5", "style", 4.0),
            ("6", "style", 1.0),
        ],
    );
    let people = People::read("key,score\n1,9\n2,5\n3,2\n4,8\n5,3\n7,1\n").expect("read");
    let it = Agreement::of(&of_judge, &people).expect("in common");
    assert_eq!((it.all.n, it.only_judge, it.only_people.as_slice()), (5, 1, &["7".to_owned()][..]));
    assert_eq!(it.types["add"].kendall.expect("varies").value, 1.0);
    assert_eq!(it.types["style"].kendall.expect("varies").value, -1.0);
    assert_eq!(it.types["style"].pairwise.expect("a pair").value, 0.0);
    let all = it.all.spearman.expect("varies");
    let [low, high] = all.interval.expect("an interval");
    assert!(low < all.value && all.value < high, "{all:?}");
    assert_eq!(it.types["style"].kendall.expect("varies").interval, None, "two items have none");
    assert_eq!(it, Agreement::of(&of_judge, &people).expect("the same"));

    let two = [of_judge.clone(), judge("n", &[("1", "add", 1.0)])].concat();
    assert!(Agreement::of(&two, &people).expect_err("two models").to_string().contains("m, n"));
    let none = People::read("key,score\nx,1\n").expect("read");
    assert!(
        Agreement::of(&of_judge, &none)
            .expect_err("nothing")
            .to_string()
            .contains("none of them is the same")
    );
    let named = People::read("model,key,score\nm,1,5\nm,2,4\nn,1,1\no,1,1\n").expect("read");
    let it = Agreement::of(&two, &named).expect("in common");
    assert_eq!((it.all.n, it.only_people.as_slice()), (3, &["o/1".to_owned()][..]));
}
