//! Ranges in braces, as WebDataset's users write them: `{00000..00127}` and `{train,val}`.

/// Most names that one pattern may stand for.
const MOST: usize = 1_000_000;

/// Every name that a pattern with braces stands for, in order; the pattern itself where it has none.
///
/// ```
/// use threshflow::object::braces;
/// assert_eq!(braces("a-{08..10}.tar")?, ["a-08.tar", "a-09.tar", "a-10.tar"]);
/// assert_eq!(braces("{x,y}/{1..2}")?, ["x/1", "x/2", "y/1", "y/2"]);
/// assert!(braces("a-{10..08}.tar").is_err());
/// # Ok::<(), String>(())
/// ```
pub fn braces(pattern: &str) -> Result<Vec<String>, String> {
    let Some((before, rest)) = pattern.split_once('{') else { return Ok(vec![pattern.to_owned()]) };
    let Some((inside, after)) = rest.split_once('}') else {
        return Err(format!("{pattern:?} has a {{ without a }}"));
    };
    let choices = match inside.split_once("..") {
        Some((from, to)) => numbers(from, to)?,
        None => inside.split(',').map(str::to_owned).collect(),
    };
    let after = braces(after)?;
    if choices.len().saturating_mul(after.len()) > MOST {
        return Err(format!("{pattern:?} stands for more than {MOST} names"));
    }
    let joined =
        |choice: &String| after.iter().map(|after| format!("{before}{choice}{after}")).collect::<Vec<_>>();
    Ok(choices.iter().flat_map(joined).collect())
}

/// Whole numbers from `from` to `to`, as wide as the wider of both is written, where one begins with a zero.
fn numbers(from: &str, to: &str) -> Result<Vec<String>, String> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u64>().ok()).flatten()
    };
    let range = number(from).zip(number(to)).filter(|(first, last)| first <= last);
    let Some((first, last)) = range else {
        return Err(format!(
            "{{{from}..{to}}} is no range; write the lower number first, such as {{000..127}}"
        ));
    };
    if last - first >= MOST as u64 {
        return Err(format!("{{{from}..{to}}} stands for more than {MOST} names"));
    }
    let padded = [from, to].iter().any(|text| text.len() > 1 && text.starts_with('0'));
    let width = if padded { from.len().max(to.len()) } else { 0 };
    Ok((first..=last).map(|number| format!("{number:0width$}")).collect())
}
