"""The numbers of the paper that a rerun stands beside (Vukadinovic et al. 2023, GANcMRI)."""

FID, CFID = 92.58, 20.03  # section 4.1, of 50,000 frames each
FVD = {  # Table 1
    ("real", "real"): 4.01,
    ("real", "ed-to-es"): 301.83,
    ("real", "frame-to-frame"): 283.53,
    ("ed-to-es", "ed-to-es"): 35.28,
    ("ed-to-es", "frame-to-frame"): 95.16,
    ("frame-to-frame", "frame-to-frame"): 8.81,
}
FILES = {  # Table 2; of a phenotype, how many are low and high
    "ed-to-es": "547",
    "frame-to-frame": "151",
    "superres": "1",
    "sphericity_index": "139 (68 low, 71 high)",
    "lv_area": "149 (83 low, 66 high)",
}
MEAN_SSIM = 0.7  # section 4.2, of 100 videos
PEARSON_R = {"sphericity_index": 0.98, "lv_area": 0.89}  # section 4.3, c in [−2, 3]
SECONDS_PER_VIDEO = {"frame-to-frame": 0.73, "ed-to-es": 0.71}  # section 4.2, RTX 2080 Ti, 256²
FOOLED = "60 of 100 pairs"  # section 4.1
# Of the way from ED to ES, along k_ED→ES: what the published steps reach when they are added up.
RETAINED_MOTION = 0.46
