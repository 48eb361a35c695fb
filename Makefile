# Relative paths only, all of them quoted: the checkout may lie in a folder with spaces.
# ARGS reaches the command: make run ARGS="--port 9000 --no-demo"   make test ARGS="-k feed"   make bench WHAT=serve
# make test ARGS="-m extended" runs what `make test` leaves out, since it takes long; continuous integration runs both.

PYTHON =
ARGS =
MODULE =
WHAT = contracts
VENV = .venv/bin/python

.PHONY: setup setup-dev run test check bench clean
.DEFAULT_GOAL = run

setup:
	@sh .ci/setup requirements.txt "$(PYTHON)"

setup-dev: setup
	@sh .ci/setup requirements-dev.txt "$(PYTHON)"

run: setup
	@exec $(VENV) manage.py up $(ARGS)

# Two processes share the tests, each with servers of its own; what needs the same running system stays together.
# MODULE=playlists runs the tests of one module and those of its contract's users that speak of it.
test: setup-dev
	@$(if $(MODULE),chosen=$$($(VENV) -m tests.support.affected module $(MODULE)) || exit 1;) \
	    exec $(VENV) -m pytest -n 2 --dist loadgroup --no-loadscope-reorder \
	    $(if $(MODULE),-m "not split and not browser and not extended" $$chosen,-m "not extended") $(ARGS)

check: setup-dev
	@exec sh .ci/check

bench: setup
	@exec $(VENV) manage.py bench $(WHAT) $(ARGS)

# The data folder stays: it holds what people listened to.
clean:
	@rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache .hypothesis .pytest_cache build dist
	@find . -name __pycache__ -type d -not -path "./var/*" -prune -exec rm -rf {} +
	@if [ -d var ]; then echo "kept var/, which holds the data; remove it by hand to start afresh"; fi
