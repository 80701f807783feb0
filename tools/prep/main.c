#include "cli/cli.h"
#include "prep/inspect.h"
#include "prep/options.h"
#include "prep/report.h"

int main(int argc, char **argv)
{
    struct prep_options options;
    struct prep prep;
    struct err e;
    prep_options_parse(&options, argc, argv);
    if (options.report || options.inspect) {
        if (options.report ? inspect_folder(&options, &e) : inspect_text(&options, &e))
            cli_fail(&e);
        return cli_finish();
    }
    if (prep_run(&prep, &options, &e))
        cli_fail(&e);
    report_table(&prep);
    if (options.plan_threads)
        cli_plan(prep.plan, options.plan_threads, prep_phases, PREP_N_PHASES, "all");
    else if (cli.json)
        report_json(&prep);
    prep_release(&prep);
    return cli_finish();
}
