//! Names that are nearly the same.

/// How a name differs from one that was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nearness {
    /// In upper and lower case, blanks or punctuation alone.
    Form,
    /// In a letter or two.
    Letters,
}

/// Longest name that is compared letter by letter, in bytes: the time it takes grows with its square.
const LONGEST: usize = 64;

/// The letters and digits of a name, in lower case.
pub(super) fn folded(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// How near two names are that are not the same; none when they have little to do with each other.
pub(super) fn nearness(one: &str, other: &str) -> Option<Nearness> {
    let (one, other) = (folded(one), folded(other));
    let longest = one.len().max(other.len());
    if one == other {
        return (!one.is_empty()).then_some(Nearness::Form);
    }
    let most = (longest / 3).min(2);
    let near = longest <= LONGEST && most > 0 && one.len().abs_diff(other.len()) <= 4 && distance(&one, &other) <= most;
    near.then_some(Nearness::Letters)
}

/// How many letters are to be put in, taken out or changed.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &b) in other.iter().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}
