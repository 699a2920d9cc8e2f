use super::words::{CURRENCIES, MONTHS, UNITS};
use crate::random::Random;

/// One to `most` digits.
fn digits(random: &mut Random, most: u64) -> String {
    let count = random.between(1, most);
    (0..count).map(|_| digit(random)).collect()
}

fn digit(random: &mut Random) -> char {
    char::from(b'0' + random.below(10) as u8)
}

fn whole(random: &mut Random, most: u64) -> String {
    let digits = random.between(1, most) as u32;
    random.below(10_u64.pow(digits)).to_string()
}

fn grouped(random: &mut Random) -> String {
    let first = random.between(1, 999);
    let groups = random.between(1, 4);
    let rest = (0..groups).map(|_| format!(",{:03}", random.below(1000)));
    let rest: String = rest.collect();
    format!("{first}{rest}")
}

fn year(random: &mut Random) -> u64 {
    random.between(1800, 2100)
}

fn clock(random: &mut Random) -> String {
    let (hour, minute) = (random.below(25), random.below(60));
    match random.below(6) {
        0 => format!("{hour}:{minute:02}:{:02}", random.below(60)),
        1 => format!("{hour}点{minute}分"),
        2 => format!(
            "{hour}:{minute:02} {}",
            random.pick(&["am", "p.m.", "PM", "EST"])
        ),
        3 => format!("{hour}h{minute:02}"),
        4 => format!("{hour}:{minute:02}-{}:{minute:02}", hour + 1),
        _ => format!("{hour}:{minute:02}"),
    }
}

fn date(random: &mut Random) -> String {
    // Months and days may be out of range: a rule must not take those for a date.
    let (year, month, day) = (year(random), random.below(14), random.below(33));
    match random.below(9) {
        0 => format!("{year}-{month:02}-{day:02}"),
        1 => format!("{month}/{day}/{year}"),
        2 => format!("{year}年{month}月{day}日"),
        3 => format!("{} {day}, {year}", random.pick(MONTHS)),
        4 => format!("{day} {} {year}", random.pick(MONTHS)),
        5 => format!("{year}.{month}.{day}"),
        6 => format!("{month}月{day}号"),
        7 => format!("{}0s", year / 10),
        _ => format!("{year}-{}", year + 1),
    }
}

fn telephone(random: &mut Random) -> String {
    let (a, b, c) = (random.below(1000), random.below(1000), random.below(10_000));
    match random.below(5) {
        0 => format!("({a:03}) {b:03}-{c:04}"),
        1 => format!("+1 {a:03} {b:03} {c:04}"),
        2 => format!("1{}{b:03}{c:04}", 380 + a % 100),
        3 => format!("{a:03}-{b:03}-{c:04}"),
        _ => format!("0{a:03}-{b:03}{c:04}"),
    }
}

/// A number as texts have it: of a random kind, in a random script.
pub(super) fn number(random: &mut Random) -> String {
    match random.below(20) {
        0..3 => whole(random, 4),
        3 => whole(random, 18),
        4 => digits(random, 42),
        5 => format!("{}.{}", whole(random, 4), digits(random, 4)),
        6 => format!("-{}", whole(random, 4)),
        7 => grouped(random),
        8 | 9 => date(random),
        10 | 11 => clock(random),
        12 => telephone(random),
        13 => format!("{}{}", random.pick(CURRENCIES), grouped(random)),
        14 => format!(
            "{}{}.{}",
            random.pick(CURRENCIES),
            whole(random, 3),
            digits(random, 2)
        ),
        15 => format!("{}{}", whole(random, 3), random.pick(UNITS)),
        16 => format!("{} {}", whole(random, 5), random.pick(UNITS)),
        17 => format!(
            "{}{}",
            whole(random, 3),
            random.pick(&["st", "nd", "rd", "th"])
        ),
        18 => {
            let between = random.pick(&["/", "~", "-", ":", "x", "："]);
            format!("{}{between}{}", whole(random, 3), whole(random, 3))
        }
        _ => format!(
            "{}{}",
            random.pick(&["v", "B", "No. ", "#", "QQ"]),
            digits(random, 6)
        ),
    }
}
