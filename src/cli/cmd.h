/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs: one cmd_*.c each, one row each in main.c. argv[0] is the verb. They return the exit status. */
#ifndef ASSAY_SRC_CLI_CMD_H
#define ASSAY_SRC_CLI_CMD_H

int assay__cmd_teach(int argc, char **argv);
int assay__cmd_inspect(int argc, char **argv);
int assay__cmd_eval(int argc, char **argv);
int assay__cmd_info(int argc, char **argv);
int assay__cmd_import(int argc, char **argv);
int assay__cmd_bench(int argc, char **argv);
int assay__cmd_learn(int argc, char **argv);
int assay__cmd_demo(int argc, char **argv);
int assay__cmd_run(int argc, char **argv);
int assay__cmd_cameras(int argc, char **argv);
int assay__cmd_user(int argc, char **argv);
int assay__cmd_verify(int argc, char **argv);
int assay__cmd_replay(int argc, char **argv);
int assay__cmd_export(int argc, char **argv);

#endif
