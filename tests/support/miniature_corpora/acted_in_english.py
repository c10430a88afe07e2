"""Acted speech in English, and in English and Mandarin: ESD, RAVDESS, CREMA-D, TESS, SAVEE and JL-Corpus."""

from pathlib import Path

from miniature_corpora.parts import Layout, tone, write


def esd(root: Path, *, parts: bool = True) -> None:
    blocks = {"Neutral": 0, "Angry": 350, "Surprise": 1400}
    for speaker, encoding, names in (
        ("0001", "gb18030", ("中立", "生气", "惊喜")),
        ("0004", "utf-16", ("中立", "生气", "惊喜")),
        ("0011", "utf-8-sig", ("Neutral", "Angry", "Surprise")),
    ):
        lines = []
        for (emotion, start), name in zip(blocks.items(), names, strict=True):
            for number, part in ((1, "evaluation"), (21, "test"), (51, "train")):
                clip = f"{speaker}_{start + number:06d}"
                place = root / "Emotion Speech Dataset" / speaker / emotion
                tone((place / part if parts else place) / f"{clip}.wav")
                words = "打远一看，它们的确很是美丽，" if speaker < "0011" else "The nine the eggs, I keep."
                lines.append(f"{clip}\t{words}\t{name}")
        write(root / "Emotion Speech Dataset" / speaker / f"{speaker}.txt", "\r\n".join(lines), encoding)


def ravdess(root: Path) -> None:
    for actor in ("01", "02", "03"):
        for label in ("01", "02", "05", "07"):
            tone(root / f"Actor_{actor}" / f"03-01-{label}-01-02-01-{actor}.wav", rate=48_000)
        tone(root / f"Actor_{actor}" / f"03-02-04-02-01-01-{actor}.wav")
    # The archive on Kaggle holds all actors a second time.
    tone(root / "audio_speech_actors_01-24" / "Actor_01" / "03-01-01-01-02-01-01.wav", rate=48_000)


def crema_d(root: Path) -> None:
    for actor in ("1001", "1002", "1003"):
        for label in ("ANG", "NEU", "HAP"):
            tone(root / "AudioWAV" / f"{actor}_DFA_{label}_XX.wav")
        tone(root / "AudioWAV" / f"{actor}_IEO_SAD_HI.wav")
    tone(root / "AudioWAV" / "1003_ITH_SAD_X.wav")
    tone(root / "AudioMP3" / "1001_DFA_ANG_XX.wav").rename(root / "AudioMP3" / "1001_DFA_ANG_XX.mp3")
    write(
        root / "VideoDemographics.csv",
        '"ActorID","Age","Sex","Race","Ethnicity"\n1001,51,"Male","Caucasian","Not Hispanic"\n'
        '1002,21,"Female","Caucasian","Not Hispanic"\n1003,21,"Female","Caucasian","Not Hispanic"\n',
    )


def tess(root: Path) -> None:
    for folder, file in (
        ("OAF_angry", "OAF_back_angry"),
        ("OAF_Pleasant_surprise", "OAF_back_ps"),
        ("YAF_neutral", "YAF_dog_neutral"),
        ("OAF_neutral", "OA_bite_neutral"),
        ("YAF_fear", "YAF_chalk_fear"),
    ):
        tone(root / folder / f"{file}.wav", rate=24_414)


def savee(root: Path) -> None:
    for speaker in ("DC", "JE", "JK", "KL"):
        for file in ("a01", "sa02", "su03", "n04"):
            tone(root / "AudioData" / speaker / f"{file}.wav", rate=44_100)
    write(root / "AudioData" / "Info.txt", "Speakers: DC, JE, JK and KL")


def jl_corpus(root: Path) -> None:
    for place in ("Raw JL corpus (unchecked and unannotated)", "raw jl corpus (unchecked and unannotated)"):
        for speaker in ("female1", "male1", "male2"):
            for name in ("angry_10a_1", "happy_10b_2", "anxious_3a_1"):
                path = tone(root / place / "JL(wav+txt)" / f"{speaker}_{name}.wav", rate=44_100)
                write(path.with_suffix(".txt"), "Jack views an art piece.\n")


LAYOUTS: dict[str, Layout] = {
    "esd": Layout(
        esd,
        {
            "0001_000351": dict(
                emotion="angry", speaker="0001", sex="female", sentence="zh001", language="zh",
                transcript="打远一看，它们的确很是美丽，", extras=dict(partition="evaluation", label="Angry"),
            ),
            "0004_000021": dict(
                emotion="neutral", sex="male", sentence="zh021", transcript="打远一看，它们的确很是美丽，"
            ),
            "0011_001451": dict(
                emotion="surprised", speaker="0011", sex="male", sentence="en051", language="en",
                transcript="The nine the eggs, I keep.", split="",
            ),
        },
        notes=("found 27 of the 35,000",),
    ),
    "ravdess": Layout(
        ravdess,
        {
            "03-01-05-01-02-01-02": dict(
                emotion="angry", speaker="02", sex="female", sentence="02", language="en",
                transcript="Dogs are sitting by the door.", extras=dict(intensity="normal", channel="speech"),
            ),
            "03-01-02-01-02-01-01": dict(emotion="calm", speaker="01", sex="male"),
        },
        notes=("further copies of a clip, left out: 1", "found 12 of the 1,440"),
    ),
    "crema-d": Layout(
        crema_d,
        {
            "1001_DFA_ANG_XX": dict(
                emotion="angry", speaker="1001", sex="male", sentence="DFA", transcript="Don't forget a jacket.",
                extras=dict(age="51", intensity="unspecified"),
            ),
            "1003_ITH_SAD_X": dict(emotion="sad", sex="female", sentence="ITH"),
            "1002_IEO_SAD_HI": dict(transcript="It's eleven o'clock.", extras=dict(intensity="high")),
        },
        notes=("further copies of a clip, left out: 1", "found 13 of the 7,442"),
    ),
    "tess": Layout(
        tess,
        {
            "OAF_back_ps": dict(
                emotion="surprised", speaker="OAF", sex="female", sentence="back", transcript="Say the word back.",
                extras=dict(age=64, label="ps"),
            ),
            "OA_bite_neutral": dict(emotion="neutral", speaker="OAF"),
            "YAF_chalk_fear": dict(emotion="fearful", speaker="YAF", extras=dict(age=26)),
        },
        notes=("found 5 of the 2,800",),
        split_by="sentence",
    ),
    "savee": Layout(
        savee,
        {
            "DC_a01": dict(emotion="angry", speaker="DC", sex="male", sentence="a01", transcript="", language="en"),
            "KL_sa02": dict(emotion="sad", speaker="KL"),
            "JE_su03": dict(emotion="surprised", sentence="su03"),
        },
        notes=("found 16 of the 480",),
    ),
    "jl-corpus": Layout(
        jl_corpus,
        {
            "female1_angry_10a_1": dict(
                emotion="angry", speaker="female1", sex="female", sentence="10",
                transcript="Jack views an art piece.", extras=dict(session="a", take="1"),
            ),
            "male2_anxious_3a_1": dict(emotion="anxious", sex="male", sentence="anxious-3"),
        },
        notes=("further copies of a clip, left out: 9", "found 9 of the 2,400"),
    ),
}  # fmt: skip
