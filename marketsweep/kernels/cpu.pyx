# cython: boundscheck=False, wraparound=False, embedsignature=True
"""Run programs of kernel steps over tiles of symbols, and gather panels, without the GIL."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t, uintptr_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

import numpy as np

from marketsweep.kernels.memory import aligned


cdef extern from *:
    """
    #if defined(__x86_64__)
    #include "runtime/processor.hpp"
    static int marketsweep_has_avx2() { return marketsweep::has_avx2(); }
    static int marketsweep_has_avx512() { return marketsweep::has_avx512(); }
    #else
    static int marketsweep_has_avx2() { return 0; }
    static int marketsweep_has_avx512() { return 0; }
    namespace marketsweep {
    struct Machine;
    inline const Machine& machine_avx2();
    inline const Machine& machine_avx512();
    }
    #endif
    """
    int marketsweep_has_avx2()
    int marketsweep_has_avx512()


cdef extern from "runtime/machine.hpp" namespace "marketsweep" nogil:
    const int MAX_INPUTS, MAX_OUTPUTS, MAX_PARAMETERS
    const int64_t _TILE "marketsweep::TILE"

    struct Kernel:
        const char* name
        int inputs, outputs
        cbool elementwise

    struct Machine:
        const char* isa
        int lanes
        const Kernel* kernels
        int count

    const Machine& machine_scalar()
    const Machine& machine_baseline()
    const Machine& machine_avx2()
    const Machine& machine_avx512()


cdef extern from "runtime/program.hpp" namespace "marketsweep" nogil:
    enum class Source(int32_t):
        buffer
        field
        constant
        fact
        strip

    const int64_t STRIP

    struct Operand:
        Source source
        int64_t index, shift, rows

    cppclass CStep "marketsweep::Step":
        CStep()
        int32_t kernel
        cbool gapless
        int64_t rows, lookback
        vector[Operand] inputs "in"
        vector[int64_t] out
        double parameters[8]
        int64_t run, strip

    struct Due:
        int64_t after, result

    cppclass CProgram "marketsweep::Program":
        vector[Due] due
        int64_t scratch_rows, result_rows, strips
        vector[CStep] steps
        vector[Operand] results
        vector[double] constants

    cppclass Watch:
        cbool (*check)(void*) noexcept nogil
        void* context

    cppclass CSweep "marketsweep::Sweep":
        const CProgram* program
        const Machine* machine
        vector[const double*] fields, facts
        vector[double*] results
        vector[int64_t] depths, field_rows
        int64_t rows
        void work(double* scratch, Watch watch)
        void stop()
        void tally(double* scratch, Watch watch, const Wanted& wanted, int64_t first, int64_t sessions,
                   Tally* tallies, Outcome* outcomes)
        void search(double* scratch, Watch watch, const Wanted& wanted, Found& found)

    struct Wanted:
        const double* session
        int64_t session_rows
        const int64_t* first
        const int64_t* last
        const int64_t* bars
        const int64_t* needed
        const double* outcome

    struct Tally:
        int64_t holds, known

    struct Outcome:
        int64_t count, above, sum

    cppclass Found:
        vector[int64_t] places, sessions, evaluated
        vector[double] values


cdef extern from "bars/gather.hpp" namespace "marketsweep" nogil:
    struct CSessions "marketsweep::Sessions":
        const double* const* row
        const int64_t* width
        const int64_t* field_stride
        int64_t count

    struct Change:
        int64_t position, session
        double price, volume
        int64_t column

    int64_t c_survey "marketsweep::survey"(
        const CSessions&, const int64_t*, const Change*, const int64_t*, int64_t, int64_t, int64_t,
        int64_t, int64_t, int64_t, int64_t*, int64_t*, int64_t*)
    void c_gather "marketsweep::gather"(
        const CSessions&, int64_t, cbool, const int64_t*, const int64_t*, int64_t,
        const Change*, const int64_t*, int64_t, int64_t, double*, int64_t)


cdef extern from "bars/periods.hpp" namespace "marketsweep" nogil:
    enum class Merge(int32_t):
        first
        highest
        lowest
        last
        sum

    void c_merge_periods "marketsweep::merge_periods"(
        const double*, const double*, Merge, const int64_t*, int64_t, int64_t, double*, int64_t,
        int64_t*)
    void c_spread_periods "marketsweep::spread_periods"(
        const double*, const int64_t*, const uint8_t*, cbool, const double*, int64_t, int64_t,
        int64_t, double*, int64_t)


cdef extern from "bars/fingerprints.hpp" namespace "marketsweep" nogil:
    void c_fingerprint "marketsweep::fingerprint"(
        const double*, int64_t, int64_t, int64_t, const int64_t*, int64_t, uint64_t*)


SESSION_FIELD = -1
"""Field number that gathers the session number of each bar."""

SAME_COLUMN, NO_COLUMN = -2, -1
"""Column of a change if earlier bars are in the same column, and if there are none."""

TILE = _TILE
"""Symbols evaluated together; the last axis of every matrix."""


cdef dict _machines():
    found = {
        "scalar": <uintptr_t>&machine_scalar(),
        "baseline": <uintptr_t>&machine_baseline(),
    }
    if marketsweep_has_avx2():
        found["avx2"] = <uintptr_t>&machine_avx2()
    if marketsweep_has_avx512():
        found["avx512"] = <uintptr_t>&machine_avx512()
    return found


cdef dict MACHINES = _machines()

ISAS = tuple(MACHINES)
"""Instruction sets of this processor, the widest last; the first has one double per lane."""

KERNELS = {
    machine_baseline().kernels[i].name.decode(): i for i in range(machine_baseline().count)
}
"""Number of each kernel by name, equal in all instruction sets."""

ELEMENTWISE = frozenset(
    name for name, i in KERNELS.items() if machine_baseline().kernels[i].elementwise
)
"""Names of the kernels whose rows depend on the same row of their inputs alone."""


cdef Operand _operand(tuple given) except *:
    cdef Operand operand
    cdef int source
    source, operand.index, operand.shift, operand.rows = given
    operand.source = <Source>source
    return operand


cdef class Program:
    """A lowered plan.

    `steps`: (kernel, gapless, rows, lookback, operands, outs, parameters, run, strip) each; an
    operand is (source, index, shift, rows) with source 0 buffer, 1 field, 2 constant, 3 fact, 4
    strip; `outs` are row offsets of a scratch buffer of `scratch_rows`, and `strip` is the number
    of one of `strips`, or -1. `run` is the number of elementwise steps that are computed together,
    at the first of them, and 1 elsewhere. `results`: operands, whose newest `result_rows` rows are
    copied out. `due`: if results are only counted, (step, result) in the order of the steps: each
    result is counted after its step, or at step -1 if no step computes it. See program.hpp.
    """

    cdef CProgram c

    def __init__(self, list steps, list results, list constants, long scratch_rows, long strips,
                 long result_rows, list due):
        cdef CStep step
        cdef Due one
        self.c.scratch_rows = scratch_rows
        self.c.strips = strips
        self.c.result_rows = result_rows
        for value in constants:
            for _ in range(TILE):
                self.c.constants.push_back(value)
        for kernel, gapless, rows, lookback, operands, outs, parameters, run, strip in steps:
            if len(operands) > MAX_INPUTS or len(outs) > MAX_OUTPUTS:
                raise ValueError("too many inputs or outputs for a kernel")
            step = CStep()
            step.kernel = KERNELS[kernel]
            step.gapless = gapless
            step.rows = rows
            step.lookback = lookback
            step.run = run
            step.strip = strip
            for operand in operands:
                step.inputs.push_back(_operand(operand))
            for offset in outs:
                step.out.push_back(offset)
            for i in range(MAX_PARAMETERS):
                step.parameters[i] = parameters[i] if i < len(parameters) else 0.0
            self.c.steps.push_back(step)
        for operand in results:
            self.c.results.push_back(_operand(operand))
        for one.after, one.result in due:
            self.c.due.push_back(one)


cdef object _copied(vector[int64_t]& numbers):
    if not numbers.size():
        return np.empty(0, np.int64)
    return np.array(<int64_t[:numbers.size()]>numbers.data())


cdef class _Check:
    """What a thread calls in between, and the exception that it raised."""

    cdef object call, error

    def __cinit__(self, call):
        self.call, self.error = call, None

    cdef Watch watch(self):
        cdef Watch watch
        if self.call is not None:
            watch.check, watch.context = _checked, <void*>self
        return watch

    cdef int finish(self) except -1:
        if self.error is not None:
            raise self.error
        return 0


cdef cbool _checked(void* context) noexcept with gil:
    check = <_Check>context
    try:
        check.call()
    except BaseException as error:
        check.error = error
    return check.error is None


cdef class Sweep:
    """One evaluation of a program; any number of threads may call `work` until it returns.

    `work`, `search` and `tally` take tiles until none is left. They call `check` every 50 ms; if it
    raises an exception, the sweep stops as by `stop`, and the call raises the exception.

    `fields`: float64 [tiles, n, TILE] each, `depths`: int64 [tiles], how many of each tile's newest
    rows to read, `facts`: float64 [n, tiles * TILE], `results`: writable float64
    [result_rows, tiles * TILE] each. `isa` is one of ISAS.
    """

    cdef CSweep c
    cdef object kept

    def __init__(self, Program program, list fields, const int64_t[::1] depths,
                 const double[:, ::1] facts, list results, str isa):
        cdef const double[:, :, ::1] matrix
        cdef double[:, ::1] result
        cdef Py_ssize_t i, tiles = depths.shape[0]
        self.kept = (program, fields, facts, results)
        self.c.program = &program.c
        self.c.machine = <const Machine*><uintptr_t>MACHINES[isa]
        for field in fields:
            matrix = field
            if field.shape[0] != tiles or not field.shape[1] or field.shape[2] != TILE:
                raise ValueError(f"a field of shape {field.shape} among {tiles} tiles")
            self.c.fields.push_back(&matrix[0, 0, 0])
            self.c.field_rows.push_back(field.shape[1])
        for i in range(facts.shape[0]):
            if facts.shape[1] != tiles * TILE:
                raise ValueError("facts differ from the fields in shape")
            self.c.facts.push_back(&facts[i, 0])
        for result in results:
            if (result.shape[0], result.shape[1]) != (program.c.result_rows, tiles * TILE):
                raise ValueError("results differ from the fields in shape")
            self.c.results.push_back(&result[0, 0])
        for i in range(tiles):
            self.c.depths.push_back(depths[i])
            self.c.rows = max(self.c.rows, depths[i])

    def work(self, check=None):
        """Compute the results."""
        cdef double[::1] scratch = self._scratch()
        cdef _Check checks = _Check(check)
        cdef Watch watch = checks.watch()
        with nogil:
            self.c.work(&scratch[0], watch)
        checks.finish()

    def stop(self):
        """Take no further tile; each thread finishes its current one."""
        self.c.stop()

    def search(self, const double[:, :, ::1] session, const int64_t[:, ::1] spans,
               const int64_t[::1] needed, long sessions, check=None):
        """Return where the first result holds.

        `session`: float64 [tiles, n, TILE], each bar's session number, less than `sessions`.
        `spans`: int64 [3, tiles * TILE], each symbol's first and last session to evaluate, and its
        number of bars. `needed`: int64 [results], the bars from which a result is known. Returns,
        for the tiles taken by this call: places and sessions of the hits, the other results there,
        float64 [hits, results - 1], in no order, and how many symbols are known by session.
        """
        cdef double[::1] scratch = self._scratch()
        cdef Wanted wanted = self._wanted(session, spans, needed, 0, sessions)
        cdef Found found
        cdef _Check checks = _Check(check)
        cdef Watch watch = checks.watch()
        found.evaluated.resize(sessions)
        with nogil:
            self.c.search(&scratch[0], watch, wanted, found)
        checks.finish()
        results = self.c.program.results.size()
        values = np.array(<double[:found.values.size()]>found.values.data()) \
            if found.values.size() else np.empty(0)
        return (_copied(found.places), _copied(found.sessions),
                values.reshape(found.places.size(), results - 1), _copied(found.evaluated))

    def tally(self, const double[:, :, ::1] session, const int64_t[:, ::1] spans,
              const int64_t[::1] needed, long first, long sessions,
              const double[:, :, ::1] outcome=None, check=None):
        """Count where each result holds.

        The program must have a due step for each result. Arguments are as for `search`; sessions
        are counted from `first` on. Returns int64 [results, sessions - first, 2]: for how many
        symbols each result holds, and for how many it is known, in the tiles taken by this call.

        With `outcome`, whole numbers or NaN in the shape of `session`, it returns five numbers:
        also how many of the bars at which a result holds have an outcome, how many of those are
        above zero, and their sum.
        """
        cdef double[::1] scratch = self._scratch()
        cdef Wanted wanted = self._wanted(session, spans, needed, first, sessions)
        cdef _Check checks = _Check(check)
        cdef Watch watch = checks.watch()
        shape = self.c.program.results.size(), sessions - first
        cdef int64_t[:, :, ::1] tallies = np.zeros((*shape, 2), np.int64)
        cdef int64_t[:, :, ::1] outcomes = np.zeros((*shape, 3), np.int64)
        if self.c.program.due.size() != self.c.program.results.size():
            raise ValueError("not every result of the program is due to be counted")
        if outcome is not None:
            if np.shape(outcome) != np.shape(session):
                raise ValueError("outcomes differ from the sessions in shape")
            wanted.outcome = &outcome[0, 0, 0]
        if tallies.size:
            with nogil:
                self.c.tally(&scratch[0], watch, wanted, first, sessions - first,
                             <Tally*>&tallies[0, 0, 0], <Outcome*>&outcomes[0, 0, 0])
            checks.finish()
        counts = np.asarray(tallies)
        return counts if outcome is None else np.concatenate([counts, outcomes], axis=2)

    cdef Wanted _wanted(self, const double[:, :, ::1] session, const int64_t[:, ::1] spans,
                        const int64_t[::1] needed, long first, long sessions) except *:
        cdef Wanted wanted
        tiles = self.c.depths.size()
        if session.shape[0] != tiles or session.shape[2] != TILE or not session.shape[1]:
            raise ValueError("sessions differ from the fields in shape")
        if spans.shape[0] != 3 or spans.shape[1] != tiles * TILE:
            raise ValueError("there are not as many spans as symbols")
        if needed.shape[0] != self.c.program.results.size() or not needed.shape[0]:
            raise ValueError("there are not as many needs as results")
        asked = np.less_equal(spans[0], spans[1])
        outside = np.less(spans[0], first) | np.greater_equal(spans[1], sessions)
        if np.any(asked & outside):
            raise ValueError("sessions are to be looked at that are not counted")
        wanted.session, wanted.session_rows = &session[0, 0, 0], session.shape[1]
        wanted.first, wanted.last, wanted.bars = &spans[0, 0], &spans[1, 0], &spans[2, 0]
        wanted.needed = &needed[0]
        wanted.outcome = NULL
        return wanted

    cdef double[::1] _scratch(self):
        rows = self.c.program.scratch_rows + self.c.program.strips * STRIP
        return aligned((max(1, rows * TILE),))


cdef class Changes:
    """Changes of the bars before a session, for positions of a panel.

    `places`: [n, 3] of position, session and column (or SAME_COLUMN, NO_COLUMN), `factors`: [n, 2]
    of price and volume; sorted by position, then newest first. `positions`: number of positions.
    """

    cdef vector[Change] c
    cdef int64_t[::1] starts

    def __init__(self, const int64_t[:, ::1] places, const double[:, ::1] factors, long positions):
        cdef Change one
        cdef Py_ssize_t i
        if places.shape[0] != factors.shape[0]:
            raise ValueError("there are not as many factors as places")
        for i in range(places.shape[0]):
            one.position, one.session, one.column = places[i, 0], places[i, 1], places[i, 2]
            one.price, one.volume = factors[i, 0], factors[i, 1]
            self.c.push_back(one)
        self.starts = np.searchsorted(places[:, 0], np.arange(positions + 1))


cdef class Sessions:
    """Stored sessions, oldest first, as addresses; the caller keeps their memory alive.

    `rows`: address of each session's row of field 0, `widths`: symbols in it, `field_strides`:
    doubles from one field to the next.
    """

    cdef const int64_t[::1] rows, widths, strides
    cdef CSessions c

    def __init__(self, const int64_t[::1] rows, const int64_t[::1] widths,
                 const int64_t[::1] field_strides):
        self.rows, self.widths, self.strides = rows, widths, field_strides
        self.c.count = rows.shape[0]
        if self.c.count:
            self.c.row = <const double* const*>&rows[0]
            self.c.width = &widths[0]
            self.c.field_stride = &field_strides[0]

    def survey(self, const int64_t[::1] columns, Changes changes, long first, long last,
               long depth, long watched, long oldest, long asked, int64_t[::1] bars,
               int64_t[::1] age, int64_t[::1] still):
        """Fill `bars`, `age` and `still` for positions [first, last) of `columns`; see gather.hpp.

        Return the oldest session that was read.
        """
        cdef int64_t reached = self.c.count
        if first < last:
            with nogil:
                reached = c_survey(
                    self.c, &columns[0], changes.c.data(), &changes.starts[0], first, last, depth,
                    watched, oldest, asked, &bars[0], &age[0], &still[0])
        return reached

    def gather(self, int field, cbool is_volume, const int64_t[::1] columns,
               const int64_t[::1] bars, Changes changes, long first_tile, long last_tile,
               double[:, :, ::1] to):
        """Fill tiles [first_tile, last_tile) of `to` with one field; see gather.hpp."""
        if columns.shape[0] == 0:
            return
        with nogil:
            c_gather(self.c, field, is_volume, &columns[0], &bars[0], columns.shape[0],
                     changes.c.data(), &changes.starts[0], first_tile, last_tile, &to[0, 0, 0],
                     to.shape[1])


def merge_periods(const double[:, :, ::1] session, const double[:, :, ::1] field, int how,
                  const int64_t[::1] period, double[:, :, ::1] to, int64_t[::1] counts):
    """Fill `to` [tiles, periods, TILE] with longer bars, `counts` [tiles * TILE] with their count.

    `how` is the number of the field, which decides how its longer bars are computed; see
    periods.hpp.
    """
    cdef int64_t tiles = session.shape[0], rows = session.shape[1]
    if field.shape[0] != tiles or field.shape[1] != rows or to.shape[0] != tiles:
        raise ValueError("field, sessions and longer bars differ in shape")
    if counts.shape[0] != tiles * TILE or not tiles or not rows or not to.shape[1]:
        raise ValueError("nothing to merge")
    with nogil:
        c_merge_periods(&session[0, 0, 0], &field[0, 0, 0], <Merge>how, &period[0], tiles, rows,
                        &to[0, 0, 0], to.shape[1], &counts[0])


def spread_periods(const double[:, :, ::1] session, const int64_t[::1] period,
                   const uint8_t[::1] complete, cbool running, const double[:, :, ::1] values,
                   double[:, :, ::1] to):
    """Fill `to` [tiles, shown, TILE], the newest daily rows, with values of longer bars."""
    cdef int64_t tiles = session.shape[0], rows = session.shape[1]
    if values.shape[0] != tiles or to.shape[0] != tiles or to.shape[1] > rows:
        raise ValueError("values, sessions and daily bars differ in shape")
    with nogil:
        c_spread_periods(&session[0, 0, 0], &period[0], &complete[0], running, &values[0, 0, 0],
                         tiles, rows, values.shape[1], &to[0, 0, 0], to.shape[1])


def fingerprint(const double[:, :, ::1] values, const int64_t[::1] days, uint64_t[::1] sums):
    """Add the fingerprint of each column of a segment [fields, sessions, columns] to `sums`.

    `days` has the day numbers of the first sessions; only these are read. See fingerprints.hpp.
    """
    if days.shape[0] > values.shape[1] or sums.shape[0] < values.shape[2]:
        raise ValueError("more days than sessions, or more columns than sums")
    if not days.shape[0] or not values.shape[2]:
        return
    with nogil:
        c_fingerprint(&values[0, 0, 0], values.shape[0], values.shape[1], values.shape[2],
                      &days[0], days.shape[0], &sums[0])
