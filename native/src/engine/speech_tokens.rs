use super::{Engine, Mode, Script, ScriptSegment};
use crate::llm::{Sampler, TokenStream};
use crate::voice::VoicePrompt;
use crate::{Error, Result};

impl Engine {
    /// The text stage of a text that arrives in pieces while it is spoken.
    ///
    /// As in the reference, the pieces are neither normalised nor split, each is tokenised on its
    /// own, and all of them are one segment. Their prompt must contain `<|endofprompt|>`, so
    /// cross-lingual mode cannot have them.
    pub fn script_in_pieces<S: AsRef<str>>(&self, mode: &Mode, pieces: &[S]) -> Result<Script> {
        let mut script = self.prompt_script(mode)?;
        let mut segment = ScriptSegment {
            text: String::new(),
            ids: Vec::new(),
        };
        for piece in pieces {
            segment.text.push_str(piece.as_ref());
            segment.ids.extend(self.frontend.ids(piece.as_ref())?);
        }
        if segment.ids.is_empty() {
            return Err(Error::input(
                "the pieces of the text are empty: there is nothing to say",
            ));
        }
        script.segments.push(segment);
        script.arrives = true;
        Ok(script)
    }

    /// Begins to sample the speech tokens of one segment. `voice` is
    /// [aligned](VoicePrompt::aligned).
    pub fn decode<'a>(
        &'a self,
        mode: &Mode,
        script: &Script,
        segment: &ScriptSegment,
        voice: &VoicePrompt,
        sampler: &'a mut Sampler,
    ) -> Result<TokenStream<'a>> {
        let prompt = self.lm_prompt(mode, script, segment, voice);
        if !script.arrives {
            return Ok(TokenStream::Whole(self.llm.decode(&prompt, sampler)?));
        }
        let one_by_one = prompt.text_ids.into_iter().map(|id| Ok(vec![id]));
        let bistream = self.llm.decode_bistream(
            &prompt.prompt_text_ids,
            &prompt.prompt_speech_tokens,
            one_by_one,
            sampler,
        )?;
        Ok(TokenStream::Arriving(bistream))
    }
}
