"""The corpora in miniature, as their owners ship them: the same folders, names and tables; tones for audio."""

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

RATE = 16_000


def tone(path: Path, *, seconds: float = 0.2, rate: int = RATE) -> Path:
    """A tone whose pitch depends on the file's name, so that no two clips are alike."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hertz = 150 + zlib.crc32(str(path).encode()) % 1_000_003 / 2_000
    soundfile.write(path, 0.4 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate), rate)
    return path


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


@dataclass(frozen=True)
class Layout:
    """A corpus in small: how to build it, and some of the clips that must come out, by id."""

    build: Callable[[Path], Any]
    clips: Mapping[str, Mapping[str, Any]]
    options: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    split_by: str = "speaker"


def iemocap(root: Path) -> None:
    for session in ("1", "2"):
        for who, judged in (
            ("F_impro01", [("F000", "neu"), ("M000", "exc"), ("F001", "xxx"), ("M001", "ang")]),
            ("M_script01_1", [("F000", "fru"), ("M000", "sad"), ("M001", "hap"), ("F001", "oth")]),
        ):
            dialogue = f"Ses0{session}{who}"
            place = root / "IEMOCAP_full_release" / f"Session{session}"
            lines = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
            said = []
            for number, (turn, label) in enumerate(judged):
                clip = f"{dialogue}_{turn}"
                lines += [
                    f"[{number}.2901 - {number}.9357]\t{clip}\t{label}\t[2.5000, 3.0000, 1.5000]",
                    "C-E2:\tNeutral;\t()",
                    "A-E3:\tval 3; act 2; dom  2;\t()",
                    "",
                ]
                said.append(f"{clip} [00{number}.2901-00{number}.9357]: Line {number}, isn't it?")
                tone(place / "sentences" / "wav" / dialogue / f"{clip}.wav")
            said.append("M: [BREATHING]")
            write(place / "dialog" / "EmoEvaluation" / f"{dialogue}.txt", "\n".join(lines))
            write(
                place / "dialog" / "EmoEvaluation" / "Categorical" / f"{dialogue}_e1_cat.txt",
                "nothing of this counts",
            )
            write(place / "dialog" / "EmoEvaluation" / f"._{dialogue}.txt", "\x00\x05\x16")
            write(place / "dialog" / "transcriptions" / f"{dialogue}.txt", "\n".join(said))


MELD_HEAD = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
)


def meld(root: Path, suffix: str = ".wav") -> None:
    rows = [
        '"You liked it, didn’t you?",Joey,joy,positive',
        "No.,Monica,anger,negative",
        "Oh!,The Waiter,surprise,neutral",
    ]
    for part, place in (
        ("train", "train_splits"),
        ("dev", "dev_splits_complete"),
        ("test", "output_repeated_splits_test"),
    ):
        lines = [f'{n},{row},0,{n},8,21,"00:16:16,059","00:16:21,731"' for n, row in enumerate(rows)]
        write(root / f"{part}_sent_emo.csv", MELD_HEAD + "\n".join(lines) + "\n")
        for number in range(len(rows)):
            if (part, number) != ("dev", 2):  # one clip of the real corpus is missing, too
                sound(root / place / f"dia0_utt{number}{suffix}")
    tone(root / "output_repeated_splits_test" / "final_videos_testdia0_utt0.wav")


def sound(path: Path) -> None:
    """A tone as .wav, or as the sound track of an .mp4."""
    if path.suffix == ".wav":
        tone(path)
        return
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    wave = (0.4 * np.sin(2 * np.pi * 300 * np.arange(48_000) / 48_000)).astype(np.float32)
    with av.open(str(path), "w") as container:
        track = container.add_stream("aac", rate=48_000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
        frame.sample_rate = 48_000
        for packet in (*track.encode(frame), *track.encode(None)):
            container.mux(packet)


MSP_ROWS = [
    ("MSP-PODCAST_0001_0008.wav", "N", "2.2", "4.0", "2.6", "30", "Male", "Train"),
    ("MSP-PODCAST_0001_0009.wav", "A", "5.9", "2.5", "5.1", "39", "Female", "Train"),
    ("MSP-PODCAST_0002_0001.wav", "H", "5.5", "6.5", "5.0", "41", "Female", "Development"),
    ("MSP-PODCAST_0003_0001.wav", "C", "3.0", "3.0", "4.0", "Unknown", "Unknown", "Test1"),
    ("MSP-PODCAST_0003_0002.wav", "X", "3.0", "3.0", "4.0", "52", "Male", "Test1"),
    ("MSP-PODCAST_0003_0003.wav", "S", "3.0", "3.0", "4.0", "52", "Male", "Test2"),
]
MSP_HEAD = ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set")


def msp_podcast(root: Path, form: str = "labels_consensus.csv") -> None:
    if form.endswith(".csv"):
        write(root / "Labels" / form, "\n".join(",".join(row) for row in (MSP_HEAD, *MSP_ROWS)))
    else:
        content = {row[0]: dict(zip(MSP_HEAD[1:], row[1:], strict=True)) for row in MSP_ROWS}
        write(root / "Labels" / form, json.dumps(content))
    for row in MSP_ROWS:
        tone(root / "Audios" / row[0])
    write(root / "Transcripts" / "MSP-PODCAST_0001_0008.txt", "well you know it was fine\n")


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


def emovo(root: Path) -> None:
    for speaker in ("f1", "m1", "m2"):
        for label in ("gio", "neu", "rab"):
            tone(root / speaker / f"{label}-{speaker}-b1.wav")
        tone(root / speaker / f"sor-{speaker}-d1.wav")


def nemo(root: Path) -> None:
    rows = [
        (
            "WR0_surprised_64.wav",
            "surprised",
            "Ucho wykrywa dźwięki.",
            "ucho wykrywa dźwięki",
            "        WR0",
            "male",
            "23",
        ),
        (
            "EB0_neutral_13.wav",
            "neutral",
            "„Ród smoka” to serial.",
            "ród smoka to serial",
            "        EB0",
            "female",
            "27",
        ),
        ("KS0_happiness_13.wav", "happiness", "„Ród smoka” to serial.", "ród", "        KS0", "male", "23"),
        ("KS0_fear_9.wav", "fear", 'Piłka "nożna".', "piłka", "        KS0", "male", "23"),
    ]
    head = ("file_id", "emotion", "raw_text", "normalized_text", "speaker_id", "gender", "age")
    write(root / "data.tsv", "\n".join("\t".join(row) for row in (head, *rows)) + "\n")
    for row in rows[:-1]:
        tone(root / "samples" / row[0])


def jl_corpus(root: Path) -> None:
    for place in ("Raw JL corpus (unchecked and unannotated)", "raw jl corpus (unchecked and unannotated)"):
        for speaker in ("female1", "male1", "male2"):
            for name in ("angry_10a_1", "happy_10b_2", "anxious_3a_1"):
                path = tone(root / place / "JL(wav+txt)" / f"{speaker}_{name}.wav", rate=44_100)
                write(path.with_suffix(".txt"), "Jack views an art piece.\n")


def mesd(root: Path) -> None:
    for name in (
        "Anger_F_A_tarde",
        "Sadness_M_A_por_favor",
        "Neutral_C_A_basta_ya",
        "Fear_F_B_temido",
        "Disgust_M_B_asco",
    ):
        tone(root / "Mexican Emotional Speech Database (MESD)" / f"{name}.wav", rate=48_000)


def emodb(root: Path) -> None:
    for name in ("03a01Wa", "08a01Fa", "09b03Td", "10b10Na"):
        tone(root / "wav" / f"{name}.wav")


LAYOUTS: dict[str, Layout] = {
    "iemocap": Layout(
        iemocap,
        {
            "Ses01F_impro01_F000": dict(
                emotion="neutral", speaker="Ses01F", sex="female", transcript="Line 0, isn't it?", language="en",
                extras=dict(session="1", style="improvised", dialogue="Ses01F_impro01", label="neu", valence=2.5,
                            activation=3.0, dominance=1.5),
            ),
            "Ses01F_impro01_M000": dict(emotion="happy", speaker="Ses01M", sex="male", extras=dict(label="exc")),
            "Ses02M_script01_1_F000": dict(emotion="frustrated", speaker="Ses02F", extras=dict(style="scripted")),
        },
        notes=("2 oth, 2 xxx", "found 16 of the 10,039 clips"),
    ),
    "meld": Layout(
        meld,
        {
            "train_dia0_utt0": dict(
                emotion="happy", speaker="Joey", sex="male", transcript="You liked it, didn’t you?",
                split="identification", extras=dict(sentiment="positive", season="8", partition="train"),
            ),
            "dev_dia0_utt1": dict(emotion="angry", speaker="Monica", sex="female", split="validation"),
            "test_dia0_utt2": dict(emotion="surprised", speaker="The Waiter", sex="", split="evaluation"),
        },
        notes=("listed clips without a file, left out: 1 of 9 (dev_dia0_utt2)",),
        split_by="corpus",
    ),
    "msp-podcast": Layout(
        msp_podcast,
        {
            "MSP-PODCAST_0001_0008": dict(
                emotion="neutral", speaker="30", sex="male", transcript="well you know it was fine",
                split="identification", extras=dict(activation=2.2, valence=4.0, dominance=2.6),
            ),
            "MSP-PODCAST_0002_0001": dict(emotion="happy", sex="female", split="validation"),
            "MSP-PODCAST_0003_0001": dict(emotion="contemptuous", speaker="", sex="", split="evaluation"),
        },
        notes=("labels without an emotion: 1 X", "clips without a known speaker: 1", "left out, partition Test2: 1"),
        split_by="corpus",
    ),
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
    "emovo": Layout(
        emovo,
        {
            "gio-f1-b1": dict(
                emotion="happy", speaker="f1", sex="female", sentence="b1", language="it",
                transcript="Gli operai si alzano presto.",
            ),
            "sor-m2-d1": dict(emotion="surprised", speaker="m2", sex="male", transcript="Sabato sera cosa farà?"),
        },
        notes=("found 12 of the 588",),
    ),
    "nemo": Layout(
        nemo,
        {
            "EB0_neutral_13": dict(
                emotion="neutral", speaker="EB0", sex="female", sentence="13", language="pl",
                transcript="„Ród smoka” to serial.", extras=dict(age="27"),
            ),
            "KS0_happiness_13": dict(emotion="happy", sentence="13", sex="male"),
        },
        notes=("listed clips without a file, left out: 1 of 4 (KS0_fear_9)",),
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
    "mesd": Layout(
        mesd,
        {
            "Sadness_M_A_por_favor": dict(
                emotion="sad", speaker="", sex="male", sentence="por favor", transcript="por favor", language="es",
                extras=dict(voice="male", list="A"),
            ),
            "Neutral_C_A_basta_ya": dict(emotion="neutral", sex="", extras=dict(voice="child")),
        },
        notes=("does not say who speaks", "found 5 of the 862"),
        split_by="sentence",
    ),
    "emodb": Layout(
        emodb,
        {
            "03a01Wa": dict(
                emotion="angry", speaker="03", sex="male", sentence="a01", language="de",
                transcript="Der Lappen liegt auf dem Eisschrank.",
            ),
            "09b03Td": dict(emotion="sad", speaker="09", sex="female"),
        },
        notes=("found 4 of the 535",),
    ),
}  # fmt: skip
