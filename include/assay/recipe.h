/* SPDX-License-Identifier: Apache-2.0 */
/* Teach a recipe from good parts; judge parts with it. */
#ifndef ASSAY_RECIPE_H
#define ASSAY_RECIPE_H

#include <stdbool.h>

#include "base.h"
#include "image.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The instruction set the integer kernels use. Results are the same bits on all of them. */
enum assay_isa {
	ASSAY_ISA_BEST,
	ASSAY_ISA_SCALAR,
	ASSAY_ISA_AVX2,
	ASSAY_ISA_AVX512VNNI,
	ASSAY_ISA_AVXVNNI,
	ASSAY_ISA_NEON,
	ASSAY_ISA_NEONDOT
};

/** "best", "scalar", "avx2", "avxvnni", "avx512vnni", "neon", "neondot". Errors: ARGUMENT for another name, UNSUPPORTED if this CPU lacks it. */
int assay_isa_from_name(const char *name, enum assay_isa *isa, struct assay_error *error);
const char *assay_isa_name(enum assay_isa isa);
/** What ASSAY_ISA_BEST means on this CPU. */
enum assay_isa assay_isa_best(void);

/** What an open object is given once. All fields may be zero: malloc, best kernels, the network built in. */
struct assay_env {
	const struct assay_allocator *allocator; /**< must outlive every object opened with it */
	enum assay_isa isa;
	const void *network; /**< bytes of a .net file, borrowed until the object is closed; NULL: the one built in */
	size_t network_size_bytes;
};

struct assay_rect_px {
	int x, y, width, height;
};

/** Tolerances by place, as read from a file; immutable. */
struct assay_zones;

/**
 * Reads a zones file; its form is in docs/zones.md. `mm_per_px` turns millimetres in it into pixels, 0: there must be
 * none. On success *out is the caller's, from `allocator`; free with assay_zones_free.
 * Errors: IO, FORMAT, LIMIT (the message starts with file:line:), NOMEM, and those of assay_image_load.
 */
int assay_zones_load(const char *path, double mm_per_px, const struct assay_allocator *allocator,
					 struct assay_zones **out, struct assay_error *error);
/** NULL is fine. */
void assay_zones_free(struct assay_zones *zones);

#define ASSAY_MAX_SCALES 3

/** Good parts by index; load may be called from several threads at once. */
struct assay_parts {
	int count;
	/** Fills *image from `allocator`. Returns 0 or an error code with *error filled. */
	int (*load)(void *ctx, int index, const struct assay_allocator *allocator, struct assay_image *image,
				struct assay_error *error);
	const char *(*name)(void *ctx, int index); /**< for messages; valid as long as ctx */
	void *ctx;
};

/**
 * Parts with a defect, labelled as wholes. A name with "__" in it says which part it shows by what stands before
 * ("housing17__top.png"), for good parts too; pictures of one part are never used to check what was learnt from it.
 */
struct assay_defects {
	struct assay_parts parts;
	/** The kind of the defect, such as "crack"; NULL, or returns NULL: not told. Valid as long as ctx. */
	const char *(*kind)(void *ctx, int index);
	/**
	 * Where the defect is: *mask gets width * height bytes from `allocator`, non-zero on it, or NULL if that is not
	 * known. Called from several threads at once; nullable. Returns 0 or an error code with *error filled.
	 */
	int (*mark)(void *ctx, int index, int width_px, int height_px, const struct assay_allocator *allocator,
				uint8_t **mask, struct assay_error *error);
	/** Called for every picture that cannot be read, from the calling thread; teaching goes on. Nullable. */
	void (*unreadable)(void *ctx, int index, const struct assay_error *error);
};

/** How parts lie before the camera: whatever teaching finds, anyhow, or always the same within a fixture. */
enum assay_position { ASSAY_POSITION_AUTO, ASSAY_POSITION_FREE, ASSAY_POSITION_FIXED };

/** Why a recipe judges its parts free or fixed. */
enum assay_position_why {
	ASSAY_POSITION_UNKNOWN, /**< free: taught before there was a choice */
	ASSAY_POSITION_TOLD,	/**< as wanted */
	ASSAY_POSITION_FEW,		/**< free: too few good parts to tell */
	ASSAY_POSITION_SIZES,	/**< free: pictures of differing proportions */
	ASSAY_POSITION_FLAT,	/**< free: nothing on the parts to hold on to */
	ASSAY_POSITION_LOOSE,	/**< free: brought over each other, the good parts do not look alike */
	ASSAY_POSITION_UNEVEN,	/**< free: they do, but left out they score less evenly by place than anywhere */
	ASSAY_POSITION_EVEN,	/**< fixed: they do, and left out they score as evenly */
};

/** What teaching found out about how parts lie. */
struct assay_position_info {
	enum assay_position wanted, chosen; /**< chosen: never auto */
	enum assay_position_why why;
	double fit; /**< correlation with the reference that nine in ten good parts reach, 0..1; 0: not measured */
	double
		spread; /**< standard deviation of left-out scores by place to that of free ones, largest of the scales; 0: not measured */
};

/**
 * How to teach. Zero fields take the defaults stated. Without a working size parts are judged at two scales, short sides
 * of 160 and 320 px, and with a smallest defect at a third, where that covers 8 px: at most the native size and 2048 px.
 */
struct assay_teach_options {
	int working_px; /**< short side after scaling, 64..2048: one scale of that size; default: several, see below */
	int smallest_defect_px;	  /**< 1..4096, in picture pixels: adds a scale fine enough for it; not with working_px */
	int bank_size;			  /**< vectors kept at each scale, 16..16384, default 2000 */
	int folds;				  /**< of the cross-conformal calibration, 2..20, default 10; never more than parts */
	double overkill;		  /**< wanted share of good parts rejected, 0 < x <= 0.2, default 0.005 */
	struct assay_rect_px roi; /**< region of interest in image pixels; zero width: all */
	const struct assay_image *mask; /**< borrowed; image-sized, 0 = ignore, else inspect; NULL: all; not with scale */
	bool grey;						/**< judge colour images as grey */
	bool no_exposure;		/**< leave the light of a picture as it is, else bring it to that of the good parts */
	double light_tolerance; /**< 0 < x <= 1, default 0.2; below 0: none. Good parts that this much more light would
										 partly saturate are taught in that light too; not with no_exposure */
	bool scale;				/**< accept images of differing sizes, each scaled by its own short side */
	int white_level;		/**< 16-bit sample that means white, 255..65535, default 65535 */
	const struct assay_zones *zones; /**< borrowed; tolerances by place, NULL: the same everywhere; not with scale */
	double mm_per_px;				 /**< of the picture, 0 < x <= 1000; 0: not known */
	const struct assay_defects *defects; /**< borrowed; labelled defects to learn from too, NULL: none */
	enum assay_position position;		 /**< fixed: only pictures of equal proportions */
	int64_t keep_bytes; /**< store pictures of the parts with the recipe, by hash, as long as so many bytes last */
	bool keep_suspects; /**< learn from all parts, also those that look bad among the others */
};

/** What labelled defects taught; all zero without any. */
struct assay_label_report {
	int offered;
	int unreadable; /**< left out */
	int repeated;	/**< pixel-identical to another; counted once */
	int taught;		/**< learnt from */
	int kinds;		/**< named */
	int folds;		/**< of the cross-validation, no part in two of them; 0: too few parts, labels judge nothing */
	bool used;		/**< they judge beside the bank, because in cross-validation that was better */
	int bank_escapes, joined_escapes; /**< of the defects, in cross-validation: by the bank alone, and by both */
	uint32_t bank_threshold_q8;		  /**< of the bank, had it to judge alone */
};

/** What teaching found out. */
struct assay_teach_report {
	int parts_offered;
	int parts_unreadable; /**< left out; `unreadable` was called for each */
	int parts_repeated;	  /**< pixel-identical to another; counted once */
	int parts_used;
	int parts_brightened; /**< parts used that were taught in brighter light too */
	int patches;		  /**< of all parts used, at all scales, in brighter light too */
	int bank_size;		  /**< vectors kept, at all scales */
	int folds;
	double overkill_wanted;
	double overkill_stated; /**< what the threshold promises: the larger of wanted and 1 / (parts_used + 1) */
	double overkill_low,
		overkill_high;	  /**< Clopper-Pearson 95 % of the share of calibration parts above the threshold */
	int parts_for_wanted; /**< parts that would support the wanted overkill: ceil(1 / wanted) - 1 */
	uint32_t threshold_q8;
	uint32_t score_min_q8, score_median_q8, score_max_q8; /**< cross-conformal scores of the good parts */
	int odd_part;										  /**< index of the part with the largest score, worth a look */
	struct assay_label_report labels;
	int suspect_count; /**< parts that look bad among the others, see assay_recipe_info; not counted in parts_used unless
						  keep_suspects */
	struct assay_position_info position;
};

/** Called for every part that cannot be read; teaching goes on without it. Called from the calling thread only. */
struct assay_teach_hooks {
	struct assay_progress progress;
	void (*unreadable)(void *ctx, int index, const struct assay_error *error);
	void *ctx;
};

/** A taught recipe: immutable, shared freely between threads. */
struct assay_recipe;

/**
 * Teaches from good parts. Same set of pictures, same content hash: order, threads and kernels do not matter.
 * `runner`, `hooks`, `report`, `error` are nullable. On success *out is the caller's, close with assay_recipe_close.
 * Errors: ARGUMENT (options out of range, no part, one picture repeated), MISMATCH (sizes, channels or depths differ
 * and `scale` is off, the message names the parts; the region of interest or mask does not fit), ARGUMENT also if a
 * picture is among the good parts and the defects, or a kind's name is too long, LIMIT (more than 6 GiB of features), CANCELLED, NOMEM, FORMAT/UNSUPPORTED for the network, FORMAT if a picture changes meanwhile.
 */
int assay_teach(const struct assay_env *env, const struct assay_teach_options *options, const struct assay_parts *parts,
				const struct assay_runner *runner, const struct assay_teach_hooks *hooks, struct assay_recipe **out,
				struct assay_teach_report *report, struct assay_error *error);

/** Writes one SQLite file beside `path` and renames it there. Errors: IO, NOMEM. */
int assay_recipe_save(const struct assay_recipe *recipe, const char *path, struct assay_error *error);

/**
 * Reads a recipe, checks its content hash, and checks this machine by its golden vectors. The recipe brings its own
 * network; if env names one it must be the same.
 * Errors: IO, NOMEM, FORMAT (damaged; the message says where), UNSUPPORTED (a newer version), MISMATCH (another network).
 */
int assay_recipe_open(const struct assay_env *env, const char *path, struct assay_recipe **out,
					  struct assay_error *error);

/** NULL is fine. No worker of it may be in use. */
void assay_recipe_close(struct assay_recipe *recipe);

/** One scale at which a recipe judges. */
struct assay_scale_info {
	int working_width_px, working_height_px;
	int grid_width, grid_height;
	int bank_size;
	uint32_t mean_q8, sd_q8; /**< of the good parts' scores at this scale alone, distances in feature units times 256 */
};

/** A part that was offered as good and looks bad among the others; strings live as long as the recipe. */
struct assay_suspect {
	const char *name; /**< without folders */
	uint8_t hash[ASSAY_HASH_BYTES];
	uint32_t score_q8; /**< by a bank that has seen neither it nor others like it; compare it with the threshold */
	int index;		   /**< as offered to assay_teach; -1 in a recipe read from a file */
	bool learnt;	   /**< all the same, because keep_suspects was asked for */
};

/** One step of a recipe after it was taught. */
struct assay_lineage_step {
	int number;													 /**< 1 for the first */
	const char *kind;											 /**< "learn" or "revert" */
	uint8_t parent[ASSAY_HASH_BYTES], content[ASSAY_HASH_BYTES]; /**< content hashes before and after */
	int64_t time_s; /**< seconds since 1970-01-01 UTC, as its author told */
	const char *author;
	int goods, defects, vectors;	/**< parts and bank vectors that it added; negative: took away */
	uint8_t hash[ASSAY_HASH_BYTES]; /**< BLAKE2b-256 over the hash of the step before and all of the above */
	bool kept;						/**< the recipe can go back to it */
};

/** Facts about a recipe; strings and arrays live as long as the recipe. */
struct assay_recipe_info {
	const char *network_name;
	uint8_t network_hash[ASSAY_HASH_BYTES];
	uint8_t content_hash[ASSAY_HASH_BYTES]; /**< over everything that decides a verdict and what it was taught from */
	int image_width_px, image_height_px;	/**< of the parts taught; of the first one if sizes differ */
	int image_channels, image_depth_bits;
	int scale_count;
	struct assay_scale_info scales[ASSAY_MAX_SCALES]; /**< coarsest first */
	int working_width_px, working_height_px;		  /**< of the finest scale, as the grid */
	int grid_width, grid_height, feature_dim;
	int smallest_defect_px; /**< as wished, 0: none */
	struct assay_rect_px roi;
	bool masked, grey, scale, exposure;
	double light_tolerance; /**< 0: none */
	int white_level;
	int folds;
	int zone_count;
	double mm_per_px;				/**< 0: not known */
	const uint32_t *calibration_q8; /**< cross-conformal scores of the parts used, ascending, parts_used of them */
	const struct assay_suspect *suspects; /**< report.suspect_count of them, largest score first */
	int step_count;						  /**< its lineage; 0: as taught */
	const struct assay_lineage_step *steps;
	int kept_goods, kept_defects; /**< parts whose picture is stored with the recipe */
	int64_t kept_bytes;
	struct assay_teach_report report;
	int64_t macs;			/**< multiply-accumulates of the network for one image, all scales */
	size_t workspace_bytes; /**< one worker's memory */
};
void assay_recipe_get_info(const struct assay_recipe *recipe, struct assay_recipe_info *info);

enum assay_verdict { ASSAY_PASS, ASSAY_FAIL, ASSAY_FAULT };
const char *assay_verdict_name(enum assay_verdict verdict); /**< "PASS", "FAIL", "FAULT" */

/** A connected place above the threshold (of its zone), in image pixels. */
struct assay_region {
	struct assay_rect_px box;
	int area_px;			  /**< grid cells times the area of one */
	int length_px;			  /**< largest distance between two of its cells' corners */
	int peak_x_px, peak_y_px; /**< centre of the worst cell */
	uint32_t peak_q8, mean_q8;
	const char *zone; /**< name of the zone of its worst place, as long as the recipe; NULL: the recipe has none */
	bool counts;	  /**< exceeds what its zone tolerates */
	const char *kind; /**< of defect, by the labelled one it resembles, "unknown" if none; NULL: none were named */
};

#define ASSAY_MAX_REGIONS 32

/**
 * A verdict and why. Scores are in q8: 10 is the mean score of the good parts (of a picture's worst place), and each of
 * their standard deviations above it adds 1; the scale at which a place is worst counts, for the score and for regions.
 * The map shows where: a mean of the scales in which finer ones weigh more, so with several scales its largest may be
 * below the score. `map_q8` belongs to the worker until its next call.
 */
struct assay_result {
	enum assay_verdict verdict;
	uint32_t score_q8, threshold_q8;
	uint32_t bank_q8, head_q8; /**< what the good parts and what the labels say of it: score_q8 is the larger */
	bool labelled;			   /**< labels judge beside the bank; else head_q8 is 0 */
	double p_value;			   /**< (1 + calibration scores >= score) / (1 + parts) */
	int region_count;		   /**< at most ASSAY_MAX_REGIONS, worst first; regions_total says how many there were */
	int regions_total;
	int regions_counted; /**< with zones the verdict is FAIL if there is one, whatever score_q8; they come first */
	double mm_per_px;	 /**< of the picture; 0: not known */
	struct assay_region regions[ASSAY_MAX_REGIONS];
	const uint32_t *map_q8; /**< grid_height rows of grid_width smoothed scores; 0 where masked */
	int grid_width, grid_height;
	struct assay_rect_px map_area; /**< the image pixels the map covers */
	struct assay_error fault;	   /**< why, if FAULT; code ASSAY_OK otherwise */
};

/** One thread's workspace for one recipe; the recipe must outlive it. */
struct assay_worker;
int assay_worker_open(const struct assay_recipe *recipe, struct assay_worker **out, struct assay_error *error);
void assay_worker_close(struct assay_worker *worker);

/**
 * Judges one picture. Always fills *result: what cannot be judged (wrong size or channels) is FAULT with the reason
 * and the call returns 0. Allocates nothing unless the recipe accepts differing sizes and this one is not the last one's.
 * Errors: NOMEM only (then the verdict is FAULT too). One worker serves one thread at a time.
 */
int assay_inspect(struct assay_worker *worker, const struct assay_image *image, struct assay_result *result,
				  struct assay_error *error);

/**
 * The picture with its score map over it and its regions outlined with their score; image-sized RGB8, the caller's,
 * from `allocator`. Nothing is tinted below half the threshold. Errors: NOMEM.
 */
int assay_heatmap(const struct assay_image *image, const struct assay_result *result,
				  const struct assay_allocator *allocator, struct assay_image *out, struct assay_error *error);

#ifdef __cplusplus
}
#endif
#endif
