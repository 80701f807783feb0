#include "cli/cli.h"
#include "prep/options.h"
#include "prep/report.h"

int main(int argc, char **argv)
{
    struct prep_options options;
    struct prep prep;
    struct err e;
    prep_options_parse(&options, argc, argv);
    if (prep_run(&prep, &options, &e))
        cli_die("%s", e.text);
    report_table(&prep);
    if (cli.json)
        report_json(&prep);
    prep_release(&prep);
    return cli_finish();
}
