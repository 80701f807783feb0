# Targets that use the programs: data, runs, checks, installation. Included by the Makefile.

.PHONY: clean
clean: ## remove everything that was built
	rm -rf build
