"""Corpora of conversations: IEMOCAP, MELD and MSP-Podcast."""

import json
from pathlib import Path

import numpy as np

from miniature_corpora.parts import Layout, tone, write


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
}  # fmt: skip
