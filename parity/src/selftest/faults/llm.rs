use crate::selftest::fault::{Expected, Fault};
use crate::selftest::plant::{
    edit, floats, half_precision, in_cascaded, late, remove, rows, shortened, swapped, tokens,
};
use crate::stage::Stage::{LlmLogitRows, LlmLogits, LlmStop, LlmTokens, LlmTokensKept};

pub(super) const FAULTS: &[Fault] = &[
    Fault::introduced(LlmLogits, "one logit NaN", |s| {
        floats(s, LlmLogits, |v| {
            v.iter_mut().take(1).for_each(|x| *x = f32::NAN)
        })
    }),
    Fault::introduced(LlmLogits, "one logit infinite", |s| {
        floats(s, LlmLogits, |v| {
            v.iter_mut().take(1).for_each(|x| *x = f32::INFINITY)
        })
    }),
    Fault::introduced(
        LlmLogits,
        "a constant added to all logits, which no probability shows",
        |s| floats(s, LlmLogits, |v| v.iter_mut().for_each(|x| *x += 0.1)),
    ),
    Fault::introduced(LlmLogits, "logits at a temperature of 0.99", |s| {
        floats(s, LlmLogits, |v| v.iter_mut().for_each(|x| *x /= 0.99))
    }),
    Fault::introduced(LlmLogits, "logits one position late", |s| {
        late(s, LlmLogits)
    }),
    Fault::introduced(
        LlmLogits,
        "halves of every position's logits swapped, as by a rotation split in the wrong place",
        |s| {
            rows(s, LlmLogits, |row| {
                let half = row.len() / 2;
                row.rotate_left(half)
            })
        },
    ),
    Fault::introduced(LlmLogits, "logits rounded to 16-bit floats", |s| {
        floats(s, LlmLogits, |v| half_precision(v))
    }),
    Fault::introduced(LlmLogits, "logits of the last position lost", |s| {
        edit(s, LlmLogits, |a| shortened(a, 0, 1))
    }),
    Fault::introduced(LlmLogits, "logits of other positions", |s| {
        tokens(s, LlmLogitRows, |v| {
            v.iter_mut().for_each(|p| *p += 1);
            true
        })
    }),
    Fault::recordings(Expected::Missing(LlmLogits), "logits not recorded", |s| {
        remove(s, LlmLogits)
    }),
    Fault::introduced(LlmTokens, "last sampled token swapped", |s| {
        tokens(s, LlmTokens, |v| swapped(v))
    }),
    Fault::introduced(LlmTokens, "first sampled token swapped", |s| {
        tokens(s, LlmTokens, |v| swapped(&mut v[..1]))
    }),
    Fault::introduced(LlmTokens, "one sampled token too many", |s| {
        tokens(s, LlmTokens, |v| {
            v.push(0);
            true
        })
    }),
    Fault::introduced(LlmTokens, "one sampled token inserted in the middle", |s| {
        tokens(s, LlmTokens, |v| {
            v.insert(v.len() / 2, 0);
            true
        })
    }),
    Fault::introduced(LlmTokens, "one sampled token lost in the middle", |s| {
        tokens(s, LlmTokens, |v| {
            v.remove(v.len() / 2);
            true
        })
    }),
    Fault::introduced(
        LlmTokens,
        "other tokens from the middle on, as under another top-p",
        |s| {
            tokens(s, LlmTokens, |v| {
                let middle = v.len() / 2;
                v[middle..].iter_mut().for_each(|t| *t = (*t + 7) % 6561);
                true
            })
        },
    ),
    Fault::introduced(
        LlmTokens,
        "a token repeated that the window should have drawn anew",
        |s| {
            tokens(s, LlmTokens, |v| {
                let first = v[0];
                v.splice(1..1, [first; 10]);
                true
            })
        },
    ),
    Fault::introduced(LlmTokens, "the end missed: as many tokens again", |s| {
        tokens(s, LlmTokens, |v| {
            v.extend_from_within(..);
            true
        })
    }),
    Fault::introduced(LlmTokens, "no sampled token left", |s| {
        tokens(s, LlmTokens, |v| !std::mem::take(v).is_empty())
    }),
    Fault::recordings(
        Expected::Missing(LlmTokens),
        "sampled tokens not recorded",
        |s| remove(s, LlmTokens),
    ),
    Fault::recordings(
        Expected::Inherited(LlmTokens),
        "tokens that are wrong only from end to end",
        |s| in_cascaded(s, |s| tokens(s, LlmTokens, |v| swapped(v))),
    ),
    Fault::introduced(LlmStop, "ended by the largest length, not by a mark", |s| {
        tokens(s, LlmStop, |v| {
            v.fill(-1);
            true
        })
    }),
    Fault::introduced(LlmStop, "ended by another mark", |s| {
        tokens(s, LlmStop, |v| {
            v.iter_mut().for_each(|m| *m += 1);
            true
        })
    }),
    Fault::introduced(LlmTokensKept, "a silence that was to be cut kept", |s| {
        tokens(s, LlmTokensKept, |v| {
            v.push(1);
            true
        })
    }),
    Fault::introduced(LlmTokensKept, "a token cut that was to be kept", |s| {
        tokens(s, LlmTokensKept, |v| {
            v.remove(0);
            true
        })
    }),
];
