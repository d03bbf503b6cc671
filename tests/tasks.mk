# tests of tasks
