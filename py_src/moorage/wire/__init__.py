"""Every message between notebook, scheduler, workers, host process and panel, typed, each in one place.

================  =============  =================================================  ====================================
from              to             by                                                 what
================  =============  =================================================  ====================================
notebook          scheduler      ``moorage_*`` handlers, Dask's RPC                 `scheduler.NotebookHandlers`
notebook          scheduler      ``moorage_names``, ``moorage_ledger``              `ledger.LedgerHandlers`
notebook          scheduler      ``moorage_keep``                                   `code.CodeHandlers`
notebook          scheduler      ``moorage_why``                                    `why.WhyHandlers`
notebook          scheduler      ``moorage_filed``                                  `saves.FileHandlers`
notebook          scheduler      ``moorage_wanted``                                 `tally.WorkHandlers`
host process      scheduler      ``moorage_tally``, in one process                   `tally.TallyHandlers`
notebook          scheduler      all of these together                              `handlers.SchedulerHandlers`
notebook          scheduler      ``moorage_named``, ``moorage_watch``               `transfers.NamingHandlers`
notebook          worker         ``moorage_transfers``, by the scheduler            `transfers.LogHandlers`
worker            scheduler      ``moorage_*`` handlers, Dask's RPC                 `scheduler.WorkerHandlers`
worker            scheduler      ``moorage_code``, ``moorage_latest``               `code.WorkerCodeHandlers`
worker            scheduler      ``moorage_whose``                                  `code.WorkerCodeHandlers`
scheduler         worker         ``moorage_see``, ``moorage_modules``               `code.SeeingHandlers`
scheduler         notebook       events, `scheduler.TOPIC`                          `scheduler.Event`
scheduler         notebook       events, `tally.WORK_TOPIC`                          `tally.WorkRow`, a list
worker            scheduler      events, `images.SHARED_TOPIC`                      `images.SharedReport`
nanny             scheduler      events, `why.ENDED_TOPIC`                          `why.WorkerEnded`
worker            scheduler      events, `images.FORWARDING_TOPIC`                  `images.ForwardingReport`
worker            scheduler      a metric of the heartbeat, `images.METRIC`         `images.Room`
notebook          worker         options of tasks, in their graphs                  `tasks.CallOptions`, `BatchOptions`
notebook          worker         the same, and what comes back                      `saves.Saving`, `saves.Restoring`
worker            notebook       events, `tasks.OUTPUT_TOPIC`                       `tasks.Report`
worker            notebook       the result of a batch                              `tasks.Outcome`
notebook, worker  worker         ``moorage_*`` handlers, by the scheduler too       `images.ImageHandlers`
scheduler         worker         ``moorage_forward``, ``moorage_unite``, handlers   `images.ImageHandlers`
notebook, worker  worker         the connection of ``moorage_receive``              `images.Piece`, `images.News`
worker            worker         the connection of ``moorage_pieces``               `images.Give`, `images.Piece`
notebook          host process   a pipe, before the cluster is ready                `host.Order`, `host.Event`
notebook          host process   ``moorage_host``, a handler of its scheduler       `host.HostHandlers`
host process      notebook       events, `host.TOPIC`                               `host.HostInfo`
host process      a process      the standard input of what parks a cluster         `host.ParkingOrder`
panel             notebook       Jupyter comms, both ways                           `panel`, `panel_requests`
================  =============  =================================================  ====================================

What else the scheduler asks of workers are Dask's own messages: see `moorage._dask`. Only shapes here, and how plain
values become them; only the standard library. The handlers are protocols: mypy holds those who ask to them, and a test
those who answer.
"""
