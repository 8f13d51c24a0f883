//! The experiment model: configs, sweeps, rows, statistics, claims, figures, report.
