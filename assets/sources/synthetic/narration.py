"""What is said in a synthetic video, and the caption track that shows it.

Sentences, their timing and the habits of speech recognition imitate HowTo100M (arXiv 1906.03327): half of the lines
show what they say (400 pairs probed), lines last 4 s, speech comes late, and a recognised line stays on screen until
the second next one starts.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from assets.captions.tracks import CaptionLine, CaptionTrack
from assets.sources.synthetic.vocabulary import ACTIONS, COLOURS, SHAPES, TEXTURES, Action, with_article
from assets.sources.synthetic.world import Step, Thing, Video, World, draws

# Share of lines that stay on topic while a step is the topic; together with the host's talk and with lines
# that come so late that the scene is over, 51 % of all lines describe what is on screen.
ON_TOPIC = 0.78

CHAT = (
    "hey everyone welcome back to the channel",
    "if you are new here please subscribe and leave a comment",
    "thanks so much for being here with me again",
    "this episode is sponsored by a company that i really love",
    "there is a discount code for you down in the description",
    "a lot of people have been asking me about this lately",
    "i have been doing this for years and i still love it",
    "my grandmother taught me that when i was little",
    "and honestly it does not matter if yours looks a bit different",
    "so let us get started because there is a lot to do",
    "sorry about the noise outside my neighbours are having a party",
    "you can find everything that i used in the links below",
    "i think that is pretty much all there is to it",
    "let me know what you would like to see",
    "see you in the next one and have a great weekend",
    "um what else did i want to tell you oh yes",
    "it took me about three hours the first time i tried",
    "give this video a thumbs up if you enjoyed it",
    "be patient with yourself because nobody gets it right at first",
    "alright so that is looking really good",
    "the weather has been terrible all week so forgive the light",
    "do not worry too much about the exact timing",
)
ELSEWHERE = (
    "last week i was {gerund} {a_thing} for my sister you know",
    "you could also {base} {a_thing} but we will not do that",
    "in another video i show you how to {base} {a_thing}",
    "some people would rather {base} {a_thing} and that is fine too",
    "later on we will have to {base} {a_thing} but not yet",
)
DOING = (
    "so now we are going to {base} {the_thing}",
    "next what you want to do is {base} {the_thing}",
    "go ahead and {base} {the_thing}",
    "all you have to do now is {base} {the_thing}",
    "and then i like to {base} {the_thing}",
    "at this point you need to {base} {the_thing}",
    "here you can see me {gerund} {the_thing}",
    "i am just {gerund} {the_thing} here",
    "you just keep {gerund} {the_thing}",
    "okay so this is how i {base} {the_thing}",
    "{the_thing} has to be {past} like this",
    "see how {the_thing} is being {past} right here",
)
ENDINGS = ("", "", "", "just like this", "and take your time", "nice and easy", "for a while")


@dataclass(frozen=True)
class Line:
    """A spoken line from its first to its last word.

    ``step`` is the step it describes, if any; ``on_screen`` says whether that step is shown in its middle.
    """

    start_s: float
    end_s: float
    text: str
    step: Step | None
    on_screen: bool


def lines(world: World, video: Video) -> tuple[Line, ...]:
    """Every line of a video in the order of speech; none if nobody speaks."""
    if video.speech == "none":
        return ()
    rng = draws(world.seed, "speech", video.number)
    words_per_second = rng.uniform(2.7, 3.1)
    spoken: list[Line] = []
    start = rng.uniform(0.2, 0.8)
    while True:
        # The speaker's topic is what was on screen ``lag_s`` before the middle of a line of usual length.
        topic = video.scene_at(start + 2.0 - video.lag_s).step
        step = topic if rng.random() < ON_TOPIC else None
        text = _sentence(rng, topic, step)
        end = start + len(text.split()) / words_per_second
        if end > video.duration_s:
            return tuple(spoken)
        seen = step is not None and video.scene_at((start + end) / 2).step == step
        spoken.append(Line(start, end, text, step, seen))
        start = end + (rng.uniform(5.0, 9.0) if video.speech == "sparse" else rng.uniform(0.0, 0.25))


def track(world: World, video: Video) -> CaptionTrack:
    """The caption track as its source would hand it out."""
    spoken = lines(world, video)
    if not spoken:
        return CaptionTrack("no_captions")
    if video.speech in ("manual", "translated"):
        written = tuple(CaptionLine(_ms(line.start_s), _ms(line.end_s), _punctuated(line.text)) for line in spoken)
        return CaptionTrack("ok", video.speech, "en", written)
    gone = [line.start_s for line in spoken[2:]] + [video.duration_s] * 2
    rolling = tuple(
        CaptionLine(_ms(line.start_s), _ms(end), line.text) for line, end in zip(spoken, gone, strict=False)
    )
    return CaptionTrack("ok", "asr", "en", rolling)


def _sentence(rng: random.Random, topic: Step | None, step: Step | None) -> str:
    if step is not None:
        ending = rng.choice(ENDINGS)
        sentence = _filled(rng.choice(DOING), ACTIONS[step.action], _mention(rng, step.thing))
        return f"{sentence} {ending}".rstrip()
    if rng.random() < 0.6:
        return rng.choice(CHAT)
    # Talk about something that the topic's scene does not show in any of its words.
    shown = topic.thing if topic else Thing("", "", "")
    action = rng.choice([verb for name, verb in ACTIONS.items() if not topic or name != topic.action])
    thing = Thing(
        rng.choice([shape for shape in SHAPES if shape != shown.shape]),
        rng.choice([colour for colour in COLOURS if colour != shown.colour]),
        rng.choice([texture for texture in TEXTURES if texture != shown.texture]),
    )
    return _filled(rng.choice(ELSEWHERE), action, _mention(rng, thing))


def _filled(pattern: str, action: Action, mention: str) -> str:
    return pattern.format(
        base=action.base,
        gerund=action.gerund,
        past=action.past,
        the_thing=f"the {mention}",
        a_thing=with_article(mention),
    )


def _mention(rng: random.Random, thing: Thing) -> str:
    """Speakers name the shape, mostly the colour, and often the texture."""
    words = (
        thing.texture if rng.random() < (0.3 if thing.texture == "plain" else 0.8) else "",
        thing.colour if rng.random() < 0.85 else "",
        thing.shape,
    )
    return " ".join(filter(None, words))


def _punctuated(text: str) -> str:
    text = text.replace(" i ", " I ")
    return f"{text[0].upper()}{text[1:]}."


def _ms(seconds: float) -> float:
    return round(seconds, 3)
