"""Looking into one clip or one neuron: what every layer would answer, who writes the answer, where it is carried."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "voice": ["acoustics", "AcousticCorrelates"],
        "direct": ["direct_attribution", "DirectAttribution"],
        "in_time": ["gates_page"],
        "hearing": ["attention_over_recording", "AttentionOverRecording"],
        "lensing": ["lens", "Lens"],
        "patching": ["patching_map", "PatchingMap"],
        "where": ["compare_sites", "SiteComparison"],
        "writing": ["writes", "Writes"],
    },
)
