"""Acted speech in other languages: EMOVO, nEMO, MESD and EmoDB."""

from pathlib import Path

from miniature_corpora.parts import Layout, tone, write


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
